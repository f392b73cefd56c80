"""Which of its arguments a formula's results depend on."""

from fastloa_kernels.formulas.reading import read


class _Dependencies:
    """A language in which a formula's results are the arguments that they depend on."""

    def number(self, value):
        return frozenset()

    def arithmetic(self, symbol, *operands):
        return frozenset().union(*map(frozenset, operands))

    comparison = arithmetic

    def negative(self, operand):
        return operand

    inverted = negative

    def joined(self, symbol, conditions):
        return self.arithmetic(symbol, *conditions)

    def chosen(self, condition, chosen, other):
        if isinstance(chosen, list):
            return [condition | one | another for one, another in zip(chosen, other, strict=True)]
        return condition | chosen | other

    def several(self, values):
        return values

    def parts(self, several, count):
        return several

    def assigned(self, name, value):
        return value

    def primitive(self, name, arguments):
        return self.arithmetic(name, *arguments)

    def called(self, formula, arguments):
        return read(formula, "float32", arguments, self)


def inputs_used(form, parameters):
    """Which of its input arrays a form's results depend on: those that machine code reads."""
    arguments = [frozenset([i]) for i in range(form.leading + form.inputs + parameters)]
    found = read(form.formula, "float32", arguments, _Dependencies())
    used = frozenset().union(*found) if isinstance(found, list) else found
    return [i for i in range(form.inputs) if form.leading + i in used]
