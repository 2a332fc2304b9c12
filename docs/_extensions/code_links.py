"""`name` is code, and a link if it names something in this or another documentation."""

import re

from docutils import nodes
from docutils.utils import unescape
from sphinx.addnodes import pending_xref


def code_role(name, rawtext, text, lineno, inliner, options=None, content=()):
    """Return the text as code; as a link where Sphinx knows the name."""
    text = unescape(text, restore_backslashes=True)
    code = nodes.literal(rawtext, text, classes=["code-link"])
    if not re.fullmatch(r"[A-Za-z_][\w.]*\w", text):
        return [code], []
    env = inliner.document.settings.env
    target = env.config.code_short_names.get(text, text)
    reference = pending_xref(rawtext, code, refdomain="py", reftype="obj")
    reference["reftarget"], reference["refwarn"] = target, False
    reference["refdoc"] = env.docname
    reference["py:module"] = "sklearn_nn"
    reference["py:class"] = env.ref_context.get("py:class")
    return [reference], []


def setup(app):
    """Add the role."""
    app.add_role("code-link", code_role)
    app.add_config_value("code_short_names", {}, "env", types=[dict])
    return {"parallel_read_safe": True, "parallel_write_safe": True}
