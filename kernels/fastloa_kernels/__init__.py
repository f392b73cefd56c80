"""The engine room of fastloa: formulas, and the engines that compile them. It trusts its input; fastloa checks it."""
