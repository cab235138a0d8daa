"""The page of `keras-seg serve`, by HTTP and in a browser."""

import base64
import concurrent.futures
import contextlib
import io
import json
import shutil
import time

import keras
import numpy as np
import pytest
from PIL import Image

from keras_seg.data import read_image
from keras_seg.inference import predict
from keras_seg.inference.scores import predict_scores
from keras_seg.runs import RunFolder
from tests.networks import randomize

MOST_SECONDS = 30
# In a container Chromium has neither a sandbox nor much of shared memory.
OPTIONS = (
    *("headless=new", "no-sandbox", "disable-dev-shm-usage"),
    "window-size=1280,900",
)


@pytest.fixture(scope="module")
def run(trained, images, tmp_path_factory):
    """A run whose model finds each class in half of the pixels."""
    path = tmp_path_factory.mktemp("serve") / "run"
    shutil.copytree(trained[1], path)
    model = randomize(keras.models.load_model(path / "best.keras"))
    first, second = np.moveaxis(
        predict_scores(model, read_image(images[0])[None]), -1, 0
    )
    bias = model.weights[-1]
    assert bias.shape == (2,)
    shift = float(np.median(second - first))
    bias.assign(bias + np.array([shift, 0], "float32"))
    model.save(path / "best.keras")
    return path


@pytest.fixture(scope="module")
def model(run):
    return keras.models.load_model(run / "best.keras")


@pytest.fixture(scope="module")
def address(serving, run):
    with serving(str(run), "--max-upload", "1") as url:
        yield url


@pytest.fixture(scope="module")
def http(address):
    with client(address) as found:
        yield found


def client(address):
    httpx = pytest.importorskip("httpx")
    return httpx.Client(base_url=address, timeout=MOST_SECONDS)


@pytest.fixture(scope="module")
def photo(images, tmp_path_factory):
    """A photograph of odd sides that lies on its side."""
    path = tmp_path_factory.mktemp("photos") / "a photo.jpg"
    picture = Image.fromarray(read_image(images[0])[:31, :45])
    exif = picture.getexif()
    exif[0x0112] = 6  # Orientation: turned by 90 degrees.
    picture.save(path, exif=exif)
    return path


def segment(http, path, *options):
    """What the page shows of a file, and the bytes of its two downloads."""
    files = {"files": (path.name, path.read_bytes())}
    answer = http.post("gradio_api/upload", files=files)
    assert answer.status_code == 200, answer.text
    file = {"path": answer.json()[0], "meta": {"_type": "gradio.FileData"}}
    defaults = ("1", False, False, False)
    data = [file, *options, *defaults[len(options) :]]
    answer = http.post("gradio_api/call/segment", json={"data": data})
    answer = http.get(f"gradio_api/call/segment/{answer.json()['event_id']}")
    event, text = answer.text.strip().split("\n", 1)
    assert event == "event: complete", answer.text
    shown, *downloads = json.loads(text.removeprefix("data: "))
    return shown, *(x and http.get(x["url"]).content for x in downloads)


def decoded(url):
    text = url.partition(",")[2]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


VIEWS = "0.75,1,1.25"


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        (("1", False, False, True), ()),
        pytest.param(
            (VIEWS, True, True, False),
            ("--scales", VIEWS, "--mirror", "--crf"),
            marks=pytest.mark.once,
        ),
    ],
)
def test_files_are_those_of_predict(
    options, arguments, http, photo, predict_to, model, tmp_path
):
    """Byte for byte, with options and without; shares and confidence."""
    shown, mask, overlay = segment(http, photo, *options)
    predict_to(tmp_path, photo, *arguments)
    assert mask == (tmp_path / "a photo.png").read_bytes()
    assert overlay == (tmp_path / "a photo_overlay.jpg").read_bytes()
    ids = np.asarray(Image.open(io.BytesIO(mask)))
    assert shown["size"] == list(ids.shape) == [45, 31]
    np.testing.assert_array_equal(decoded(shown["ids"]), ids)
    assert 0.02 < ids.mean() < 0.98
    shares = [c["share"] for c in shown["classes"]]
    assert sum(shares) == pytest.approx(1)
    np.testing.assert_allclose(shares, np.bincount(ids.ravel()) / ids.size)
    assert shown["seconds"] >= 0
    if arguments:
        assert shown["confidence"] is None
        return
    image = read_image(photo)
    (found,) = predict(model, [image], probabilities=True)
    np.testing.assert_allclose(
        decoded(shown["confidence"]) / 255,
        found.probabilities.max(axis=-1),
        atol=0.003,
    )
    assert shown["mean_confidence"] == pytest.approx(
        found.probabilities.max(axis=-1).mean(dtype="float64"), abs=1e-3
    )
    assert np.abs(decoded(shown["photo"]) - image.astype("int")).mean() < 4


@pytest.mark.once
def test_pixels_without_data(http, driver, address, predict_to, tmp_path):
    """Void in the mask, and not colored in the browser."""
    pytest.importorskip("rasterio")
    path = tmp_path / "half.tif"
    pixels = np.full((40, 48, 4), 255, "uint8")
    pixels[..., :3] = np.random.default_rng(0).integers(0, 256, (40, 48, 3))
    pixels[:, :24] = 0
    Image.fromarray(pixels).save(path)
    predict_to(tmp_path / "out", path)
    shown, mask, _ = segment(http, path, "1", False, False, True)
    assert mask == (tmp_path / "out/half.png").read_bytes()
    assert (decoded(shown["ids"])[:, :24] == 255).all()
    assert sum(c["share"] for c in shown["classes"]) == pytest.approx(1)
    sure = decoded(shown["confidence"])[:, 24:] / 255
    assert shown["mean_confidence"] == pytest.approx(sure.mean(), abs=3e-3)
    driver.get(address)
    upload(driver, path)
    _, drawn = canvas_of(driver)
    assert (drawn[:, :20] < 20).all() and drawn[:, 28:].mean() > 20


@pytest.mark.once
def test_what_is_refused(http, images, tmp_path):
    """In a sentence that does not tell where the server has its files."""
    broken, large = tmp_path / "broken.png", tmp_path / "large.png"
    broken.write_bytes(images[0].read_bytes()[:200])
    Image.new("1", (10_000, 10_000)).save(large)
    assert large.stat().st_size < 20_000
    for path, sentence in (
        (
            broken,
            "broken.png is incomplete or damaged (200 bytes); a complete PNG, "
            "JPEG, TIFF, BMP, WEBP or GIF file is expected.",
        ),
        (
            large,
            "large.png has too many pixels to be opened safely; at most "
            "50000000 are read.",
        ),
    ):
        assert segment(http, path) == ({"error": sentence}, None, None)
    files = {"files": ("many.png", bytes(2**20 + 1))}
    answer = http.post("gradio_api/upload", files=files)
    assert answer.status_code == 413
    assert "maximum allowed size of 1048576 bytes" in answer.text
    # Files that nobody has uploaded are not for visitors.
    assert http.get(f"gradio_api/file={broken}").status_code == 403


@pytest.mark.once
def test_visitors_get_their_own(http, images, model, tmp_path):
    """Three at once, of one file name and three sizes, twice each."""
    paths, expected = [], []
    for number, image in enumerate(images):
        pixels = read_image(image)[: 30 + number]
        path = tmp_path / str(number) / "photo.png"
        path.parent.mkdir()
        Image.fromarray(pixels).save(path)
        paths.append(path)
        expected.append(next(predict(model, [pixels])).ids)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda path: segment(http, path), 2 * paths))
    for ids, (_, mask, _) in zip(2 * expected, found, strict=True):
        np.testing.assert_array_equal(Image.open(io.BytesIO(mask)), ids)


@pytest.fixture(scope="module")
def driver():
    """Chromium without a window, closed at the end."""
    webdriver = pytest.importorskip("selenium.webdriver")
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    helper = shutil.which("chromedriver")
    if browser is None or helper is None:
        pytest.skip("no chromium or no chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for option in OPTIONS:
        options.add_argument(f"--{option}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    service = webdriver.ChromeService(helper)
    with webdriver.Chrome(options, service) as chromium:
        chromium.set_page_load_timeout(MOST_SECONDS)
        yield chromium


def found(driver, selector, holds=lambda element: element.is_displayed()):
    """The first element of a selector for which something holds; it waits."""
    from selenium.common.exceptions import StaleElementReferenceException

    end = time.monotonic() + MOST_SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(StaleElementReferenceException):
            for element in driver.find_elements("css selector", selector):
                if holds(element):
                    return element
        time.sleep(0.05)
    raise AssertionError(f"{selector}: {driver.page_source[-3000:]}")


def upload(driver, path):
    found(driver, "#photo input[type=file]", bool).send_keys(str(path))


def canvas_of(driver):
    """The canvas, and its pixels."""
    canvas = found(driver, ".result canvas")
    url = driver.execute_script("return arguments[0].toDataURL()", canvas)
    return canvas, decoded(url)[..., :3].astype("int")


@pytest.mark.once
def test_in_a_browser(driver, address, images, model, run, tmp_path):
    """As a visitor sees it: result, names, opacity, options, mistakes."""
    from selenium.webdriver import ActionChains

    table = RunFolder.open(run).class_table
    driver.get(address)
    assert "Point at it" in found(driver, ".result .empty").text
    assert len(driver.find_elements("css selector", "#samples img")) == 3
    image = read_image(images[1])
    ids = next(predict(model, [image])).ids
    upload(driver, images[1])
    assert found(driver, ".facts").text.startswith(
        "0001.png · 48 × 48 pixels · "
    )
    canvas, mixed = canvas_of(driver)
    found(driver, "#files")
    shares = {
        item.text.split("\n")[0]: item.text.split("\n")[-1]
        for item in driver.find_elements("css selector", ".legend li")
    }
    assert shares == {
        name: f"{100 * (ids == id).mean():.1f} %"
        for id, name in enumerate(table.names)
    }

    # The name of the class under the pointer.
    box = canvas.size
    for id, name in enumerate(table.names):
        row, column = np.argwhere(ids == id)[10]
        x = (column + 0.5) / 48 * box["width"] - box["width"] / 2
        y = (row + 0.5) / 48 * box["height"] - box["height"] / 2
        ActionChains(driver).move_to_element_with_offset(
            canvas, round(x), round(y)
        ).perform()
        assert found(driver, ".result .name").text == name

    # Pixels are those of the photograph, or of the class or its outline.
    color = np.array(table.colors[1])
    light = np.rint(0.4 * 255 + 0.6 * color)
    for value, allowed in ((0, [image]), (100, [color, light])):
        driver.execute_script(
            "const slider = document.querySelector('.opacity');"
            "slider.value = arguments[0];"
            "slider.dispatchEvent(new Event('input'))",
            value,
        )
        _, pixels = canvas_of(driver)
        assert np.abs(pixels - mixed).max() > 20
        off = [np.abs(pixels - x).max(axis=-1)[ids == 1] for x in allowed]
        assert np.median(np.min(off, axis=0)) <= (1 if value else 8)

    found(driver, "#options button").click()
    box = found(driver, "#options input[type=checkbox]")
    labels = driver.find_elements("css selector", "#options label")
    next(x for x in labels if x.text == "Confidence").click()
    found(driver, ".views .confidence").click()
    assert "sure on average" in found(driver, ".facts").text
    assert box.is_displayed()

    broken = tmp_path / "broken.png"
    broken.write_bytes(images[0].read_bytes()[:200])
    upload(driver, broken)
    text = found(driver, ".result .error").text
    assert text.startswith("broken.png is incomplete or damaged (200 bytes)")
    files = driver.find_elements("css selector", "#files")
    assert not any(element.is_displayed() for element in files)

    # All of the page came from the server.
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            url = message["params"]["request"]["url"]
            assert url.startswith((address, "data:", "blob:")), url


@pytest.mark.once
def test_two_windows(driver, address, images, tmp_path):
    """Each shows its own photograph."""
    windows = []
    for number, path in enumerate(images[:2]):
        photo = tmp_path / f"{number}.png"
        Image.fromarray(read_image(path)[: 30 + number]).save(photo)
        driver.switch_to.new_window("window")
        driver.get(address)
        found(driver, ".result .empty")
        upload(driver, photo)
        windows.append(driver.current_window_handle)
    for number, window in enumerate(windows):
        driver.switch_to.window(window)
        assert found(driver, ".facts").text.startswith(
            f"{number}.png · 48 × {30 + number} "
        )
        found(driver, ".result canvas")
