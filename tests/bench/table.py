"""Aims, and tables in Markdown."""

import statistics


class Aim:
    """A limit that a figure is held against. text: the limit as it is written, e.g. ">= 92%"."""

    def __init__(self, text, limit, at_least=True):
        self.text, self.limit, self.at_least = text, limit, at_least

    def met(self, measured):
        """Whether the figure is on the right side."""
        return measured >= self.limit if self.at_least else measured <= self.limit


def at_least(limit, form="{:g}"):
    """An aim that the figure should reach."""
    return Aim("≥ " + form.format(limit), limit)


def at_most(limit, form="{:g}"):
    """An aim that the figure should not exceed."""
    return Aim("≤ " + form.format(limit), limit, at_least=False)


class Scorecard:
    """Tables of one run, and which aims were met."""

    def __init__(self):
        self.parts = []
        self.verdicts = []

    def judge(self, what, aim, measured):
        """The aim's cell beside a figure."""
        self.verdicts.append((what, aim.met(measured)))
        return f"{aim.text} {'met' if aim.met(measured) else '**missed**'}"

    def table(self, title, header, rows):
        """A table. header: names of columns; rows: lists of cells."""
        lines = [f"**{title}**", "", row(header), "|" + "---|" * len(header), *map(row, rows)]
        self.parts.append("\n".join(lines))

    def verdict(self):
        """How many aims were met, and the others by name."""
        if not self.verdicts:
            return ""
        missed = [what for what, met in self.verdicts if not met]
        text = f"{len(self.verdicts) - len(missed)} of {len(self.verdicts)} aims met"
        return text + (f"; missed: {', '.join(missed)}." if missed else ".")


def row(cells):
    """A line of a table."""
    return "| " + " | ".join(map(str, cells)) + " |"


def median(rounds, name):
    """The median of a figure over the rounds."""
    return statistics.median(figures[name] for figures in rounds)


def ratio(rounds, others, name="rate"):
    """The median over the rounds of this server's figure by another's in the same round."""
    return statistics.median(one[name] / other[name] for one, other in zip(rounds, others))
