import re
from pathlib import Path

GUIDE = Path(__file__).resolve().parent.parent / "docs" / "stores.md"


def test_the_guides_examples_run_from_top_to_bottom() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 7
    exec(compile("\n".join(blocks), str(GUIDE), "exec"), {"__name__": "guide"})
