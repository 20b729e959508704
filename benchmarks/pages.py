"""How fast the pages answer in Chromium: ``python benchmarks/pages.py reports/_site``; milliseconds, median and worst.

First paint is of the file that can be mailed, opened cold in a new browser. A popup is timed from the event to its laid-out
box, for every number of the largest page; a redraw of the what-if panel from the tick of a trial to its laid-out forest plot.
"""

from __future__ import annotations

import shutil
import statistics
import sys
from pathlib import Path

ROUNDS = 5
TARGETS = {"first paint of one-file.html": 1000.0, "popup": 16.0, "what-if redraw": 50.0}
POPUPS = """() => [...document.querySelectorAll("main a.from, main [data-from]")]
  .filter((x) => x.getBoundingClientRect().width > 0)
  .map((x) => {
    const begun = performance.now();
    x.dispatchEvent(new PointerEvent("pointerover", { bubbles: true, pointerType: "mouse" }));
    document.querySelector(".opened").getBoundingClientRect();
    return performance.now() - begun;
  })"""
REDRAWS = """async () => {
  const found = [];
  document.querySelectorAll("details.whatif-fold").forEach((x) => { x.open = true; });
  await new Promise((done) => setTimeout(done, 500));  // the folds fill when they open
  for (const box of document.querySelectorAll(".whatif input[type=checkbox]")) {
    for (let i = 0; i < 2; i++) {
      const begun = performance.now();
      box.click();
      document.querySelectorAll(".whatif svg").forEach((x) => x.getBoundingClientRect());
      found.push(performance.now() - begun);
    }
  }
  return found;
}"""
PAINT = """() => new Promise((done) => new PerformanceObserver((list) => done(list.getEntries().at(-1).startTime))
  .observe({ type: "paint", buffered: true }))"""


def measured(site: Path) -> dict[str, list[float]]:
    """Milliseconds of each thing, as often as it was done."""
    from playwright.sync_api import sync_playwright

    chromium = next((p for x in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(x))), None)
    if chromium is None:
        raise SystemExit("no Chromium is on this machine (Debian: apt-get install chromium)")
    times: dict[str, list[float]] = {name: [] for name in TARGETS}
    largest = max((p for p in site.glob("*.html") if p.name != "one-file.html"), key=lambda p: p.stat().st_size)
    with sync_playwright() as play:
        for _ in range(ROUNDS):
            browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto((site / "one-file.html").as_uri(), wait_until="commit")
            times["first paint of one-file.html"].append(page.evaluate(PAINT))
            browser.close()
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(largest.as_uri())
        times["popup"] = page.evaluate(POPUPS)
        times["what-if redraw"] = page.evaluate(REDRAWS)
        browser.close()
    return times


if __name__ == "__main__":
    home = Path(sys.argv[1] if len(sys.argv) > 1 else "reports/_site").resolve()
    if not (home / "one-file.html").is_file():
        raise SystemExit(f"{home}: no pages; run 'make report' first")
    for name, ms in measured(home).items():
        said = f"median {statistics.median(ms):7.1f} ms, worst {max(ms):7.1f} ms of {len(ms)}" if ms else "nothing to time"
        print(f"{name:30} {said}; target {TARGETS[name]:g} ms")
