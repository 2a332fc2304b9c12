"""Formulas as MathML, which browsers draw without a script and without the network."""

import math_core
from docutils import nodes
from sphinx.util.logging import getLogger
from sphinx.util.math import get_node_equation_number

logger = getLogger(__name__)
# Commands whose rendering depends on the browser are errors.
converter = math_core.LatexToMathML(annotation=True)


def converted(translator, node, displaystyle):
    """Return the MathML of a formula; or its LaTeX, with a warning, if it is not valid."""
    try:
        return converter.convert_with_local_state(node.astext(), displaystyle=displaystyle)
    except math_core.LatexError as error:
        logger.warning("formula %s: %s", node.astext(), error, location=node)
        return f"<code>{translator.encode(node.astext())}</code>"


def visit_math(translator, node):
    """Write a formula in a line of text."""
    translator.body.append(translator.starttag(node, "span", "", CLASS="math"))
    translator.body.append(converted(translator, node, displaystyle=False) + "</span>")
    raise nodes.SkipNode


def visit_math_block(translator, node):
    """Write a formula in lines of its own, with its number if it has a label."""
    translator.body.append(translator.starttag(node, "div", CLASS="math"))
    if node["number"]:
        number = get_node_equation_number(translator, node)
        translator.body.append(f'<span class="eqno">({number})</span>')
    translator.body.append(converted(translator, node, displaystyle=True) + "</div>\n")
    raise nodes.SkipNode


def setup(app):
    """Add the renderer `mathml`."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
