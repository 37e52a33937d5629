"""The name under which a condition is shown, the same for all runs, so that they can be compared.

Tested by tests/rnc/store/test_reader.py.
"""

from rnc.vocabulary import Role

SHOWN = f"CASE WHEN rc.role = '{Role.EXTRA}' THEN rc.condition ELSE rc.role END"
"""SQL for the name of a condition across several runs: its role, or its slug if it is an extra one."""
