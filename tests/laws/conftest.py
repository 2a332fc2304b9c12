"""Assertions of the helpers tell what differs, as those of tests do."""

import pytest

pytest.register_assert_rewrite("law_models")
