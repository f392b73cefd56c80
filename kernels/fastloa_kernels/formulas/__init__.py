"""Mathematics: scalar functions that read like the paper, without arrays, loops or engines.

A formula holds only parameters, float literals, arithmetic, comparisons, ``a if c else b``, assignments to local
names, tuple returns, and calls by bare name: of the vocabulary (`elementary`), of the primitives and of other
formulas. A branch stands so that NaN reaches the result: a comparison with NaN is false, so the arm that carries it is
the ``else``. A test enforces all of it.
"""
