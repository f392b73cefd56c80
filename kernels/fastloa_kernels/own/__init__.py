"""Formulas of users: read from their source, differentiated, and written again in the grammar of formulas.

`translation` makes an expression of a function's source, `differentiation` its derivative, and `writing` the text that
engines compile as they do any formula.
"""
