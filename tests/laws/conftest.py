"""Failed assertions in law_models.py report what differs, as in test files."""

import pytest

pytest.register_assert_rewrite("law_models")
