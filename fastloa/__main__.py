"""``python -m fastloa`` is the command ``fastloa``."""

from fastloa.cli import main

if __name__ == "__main__":
    main()
