"""The page in a real browser: Debian's chromium, driven by Playwright, and axe for accessibility."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from test_report import FIGURES

from dreamr.cli import keep_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = keep_run.browser()
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the path: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def address(invented_report: Path) -> str:
    return (invented_report / "index.html").as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=300_000)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    page.set_default_timeout(120_000)
    page.problems = []
    page.asked = []
    page.on("console", lambda message: page.problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("dialog", lambda dialog: (page.problems.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(address)
    yield page
    page.close()


def test_nothing_leaves_the_page_and_nothing_goes_wrong(page: Page, address: str) -> None:
    assert page.problems == []
    assert [url for url in page.asked if not url.startswith("data:")] == [address]


def test_every_section_and_figure_can_be_seen(page: Page) -> None:
    links = page.locator("nav a")
    assert links.count() >= 12
    for link in links.all():
        assert page.locator(link.get_attribute("href")).is_visible()
    unfold(page)
    sizes = page.locator("figure svg").evaluate_all("all => all.map(one => one.getBoundingClientRect().height)")
    assert len(sizes) == len(FIGURES)
    assert min(sizes) > 100


def unfold(page: Page) -> None:
    """Open all that is folded, and wait until large tables are there."""
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.wait_for_function("!document.querySelector('.packed')")


def test_a_large_table_is_unpacked_where_it_is_opened(page: Page) -> None:
    table, note = page.locator("#benchmarks table"), page.locator("#benchmarks .packed")
    assert table.count() == 0 and note.count() == 1 and not note.is_visible()
    page.locator("#benchmarks > summary").click()
    table.wait_for(state="visible")
    assert table.locator("tbody tr").count() > 100 and page.locator("#contrasts .packed").count()


def test_rows_of_the_table_of_everything_can_be_chosen(page: Page) -> None:
    page.locator("#benchmarks > summary").click()
    shown = page.locator("#benchmarks tbody tr:visible")
    shown.first.wait_for()
    every = shown.count()
    page.locator("#benchmarks").get_by_label("method", exact=True).select_option("DREAM-R")
    page.locator("#benchmarks").get_by_label("benchmark", exact=True).select_option("MathVerse")
    assert 0 < shown.count() < every / 10
    assert {*shown.locator("td:nth-child(3)").all_inner_texts()} == {"DREAM-R"}


def test_a_link_to_something_folded_opens_it(page: Page) -> None:
    link = page.locator("#figure-speed a.made")
    row = page.locator(link.get_attribute("href"))
    assert not row.is_visible()
    link.click()
    row.wait_for(state="visible")
    assert row.get_by_role("link", name="plot").is_visible()


def test_without_scripts_all_but_large_tables_can_be_read_and_saved(browser: Browser, address: str) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(address)
    page.locator("#benchmarks > summary").click()
    assert page.locator("#benchmarks .packed").is_visible() and page.locator("#figure-overview svg").is_visible()
    page.locator("#provenance > summary").click()
    with page.expect_download() as waiting:
        page.locator("#made-tables-speed a[download]").click()
    assert waiting.value.suggested_filename == "speed.csv.gz"
    page.close()


def test_a_table_is_sorted_by_keyboard(page: Page) -> None:
    page.locator("#speed > summary").click()
    table = page.locator("#speed table.sortable").first
    table.wait_for(state="visible")
    heading = table.locator("thead th", has_text="speed-up").first
    column = heading.evaluate("cell => cell.cellIndex")
    values = f"table => [...table.tBodies[0].rows].map(row => Number(row.cells[{column}].dataset.value))"
    for order, reverse in (("ascending", False), ("descending", True)):
        heading.locator("button").press("Enter")
        assert heading.get_attribute("aria-sort") == order
        found = table.evaluate(values)
        assert found == sorted(found, reverse=reverse)
        assert len(set(found)) > 5


@pytest.mark.parametrize("width", [360, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows(page: Page, width: int, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    unfold(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_first_screen_holds_answer_figure_and_table(page: Page) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    page.evaluate("window.scrollTo(0, 0)")
    for part in (".answer", "#figure-overview", "table"):
        box = page.locator(f"#chapter-answer {part}").first.bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= 900, part


@pytest.mark.parametrize(("width", "beside"), [(390, False), (1280, True)])
def test_contents_stand_beside_the_text_where_there_is_room(page: Page, width: int, beside: bool) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.reload()
    page.locator("#sapo").scroll_into_view_if_needed()
    link = page.locator('nav a[href="#sapo"]')
    if not beside:
        assert not link.is_visible()
    else:
        link.wait_for(state="visible")  # the parts of the chapter that is read
        assert not page.locator('nav a[href="#gallery"]').is_visible()
        assert 0 <= link.bounding_box()["y"] < 900, "the contents stay while the text moves"


def test_what_is_cut_off_shows_a_shade_and_can_be_scrolled_by_keyboard(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    unfold(page)
    found = page.locator("main *").evaluate_all(
        """all => all.filter(one => one.scrollWidth > one.clientWidth && getComputedStyle(one).overflowX === "auto")
            .map(one => [one.tabIndex, one.ariaLabel, getComputedStyle(one).backgroundImage])"""
    )
    assert len(found) > 10
    for place, name, image in found:
        assert place == 0 and name and (image.count("gradient") == 4 or name == "Configuration"), name


def test_dark_is_dark_and_figures_follow(page: Page) -> None:
    page.emulate_media(color_scheme="dark")
    ink = page.evaluate("getComputedStyle(document.querySelector('figure svg text')).fill")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert _brightness(ink) > 150 > 60 > _brightness(paper)


def _brightness(colour: str) -> float:
    """Mean of the three channels of "rgb(r, g, b)"."""
    return sum(map(float, colour[colour.index("(") + 1 : -1].split(",")[:3])) / 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_accessibility_checker_finds_nothing_serious(page: Page, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page.emulate_media(color_scheme=scheme)
    unfold(page)
    found = [one for one in Axe().run(page).response["violations"] if one["impact"] in ("serious", "critical")]
    assert not found, [(one["id"], [node["html"][:200] for node in one["nodes"][:3]]) for one in found]


def test_hostile_text_is_text(page: Page) -> None:
    assert '<script>alert("x")</script></pre>' in page.locator("h1").inner_text()
    assert '<script>alert("x")</script></pre>' in page.locator("#provenance").text_content()


def test_a_figure_s_numbers_are_one_click_away(page: Page, tmp_path: Path) -> None:
    with page.expect_download() as waiting:
        page.locator("#figure-speed a.save").click()
    assert waiting.value.suggested_filename == "speed-figure.csv"
    waiting.value.save_as(tmp_path / "speed.csv")
    assert (
        (tmp_path / "speed.csv")
        .read_text(encoding="utf-8")
        .startswith("target,draft,method,benchmark,n,clusters,speedup")
    )
