"""The page's pure modules, in the browser they are written for."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def run(browser: Any, address: str) -> Any:
    """Run a piece of JavaScript beside the page's modules and return what it returns."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(address)

    def run(modules: str, body: str) -> Any:
        names = [name.strip() for name in modules.split(",")]
        imports = "".join(f"const {name} = await import('{address}{name}.js');" for name in names)
        return page.evaluate(f"async () => {{ {imports} {body} }}")

    yield run
    context.close()


def test_gestures_leave_the_old_state_alone(run: Any) -> None:
    found = run(
        "state",
        """
        const before = state.begin({seed: 3, asked: {}, locks: [], exact: false});
        const frozen = JSON.stringify(before);
        let s = state.ask(before, "smiling", 1.234);
        s = state.lock(s, "male");
        s = state.lockOthers(s, true);
        const face = state.toFace(state.current(s), ["smiling", "male", "young"].map((name) => ({name, weak: false})));
        s = state.ask(s, "smiling", 0);
        return {same: JSON.stringify(before) === frozen, face, asked: state.current(s).asked,
                unlocked: state.current(state.lock(s, "male")).locks};
        """,
    )
    assert found["same"]
    assert found["face"] == {"seed": 3, "asked": {"smiling": 1.23}, "locks": ["male", "young"], "exact": False}
    assert found["asked"] == {}
    assert found["unlocked"] == []


def test_exact_edits_lock_what_is_known_to_be_disturbed(run: Any) -> None:
    found = run(
        "state",
        """
        const features = [
          {name: "smiling", weak: false, disturbs: ["mouth", "young", "hat"]},
          {name: "young", weak: false, disturbs: ["male"]},
          {name: "mouth", weak: false, disturbs: []}, {name: "male", weak: false}, {name: "hat", weak: true},
        ];
        let s = state.begin({seed: 3, asked: {}, locks: [], exact: false});
        s = state.ask(s, "smiling", 1);
        const locks = () => state.toFace(state.current(s), features).locks;
        const trusted = locks();
        s = state.exact(s, true);
        const exact = locks();
        s = state.ask(s, "young", 1);
        const both = locks();
        const free = (s = state.guard(s, false), locks());
        return {trusted, exact, both, free, fresh: state.current(state.addFace(s, {seed: 4, asked: {}, locks: [], exact: false})).guard};
        """,
    )
    assert found == {
        "trusted": [],
        "exact": ["young", "mouth"],
        "both": ["mouth", "male"],
        "free": [],
        "fresh": False,
    }


def test_a_new_face_inherits_habits_and_a_restored_one_does_not(run: Any) -> None:
    found = run(
        "state",
        """
        let s = state.begin({seed: 3, asked: {smiling: 1}, locks: ["male"], exact: true});
        const fresh = state.current(state.addFace(s, {seed: 4, asked: {}, locks: [], exact: false}));
        const back = state.current(state.restore(s, {seed: 5, asked: {a: 1}, locks: [], exact: false}));
        for (let k = 0; k < 100; k++) s = state.addFace(s, {seed: k, asked: {}, locks: [], exact: false});
        return {fresh, back, kept: s.faces.length === state.FACES, last: state.current(s).start.seed};
        """,
    )
    assert (found["fresh"]["asked"], found["fresh"]["locks"], found["fresh"]["exact"]) == ({}, ["male"], True)
    assert (found["back"]["asked"], found["back"]["locks"], found["back"]["exact"]) == ({"a": 1}, [], False)
    assert found["kept"]
    assert found["last"] == 99


def test_one_gesture_is_one_step(run: Any) -> None:
    found = run(
        "history",
        """
        let h = history.begin(0);
        for (const n of [1, 2, 3]) h = history.step(h, n, "drag 1");
        h = history.settle(h);
        h = history.step(h, 4, "drag 2");
        h = history.step(h, 5);
        const seen = [h.present];
        for (let k = 0; k < 5; k++) { h = history.undo(h); seen.push(h.present); }
        for (let k = 0; k < 5; k++) { h = history.redo(h); seen.push(h.present); }
        h = history.undo(h);
        h = history.step(h, 9);
        const cut = history.redo(h).present;
        let idle = history.settle(history.step(history.begin({a: 1}), {a: 1}, "drag"));
        return {seen, cut, idle: idle.past.length};
        """,
    )
    assert found["seen"] == [5, 4, 3, 0, 0, 0, 3, 4, 5, 5, 5]
    assert found["cut"] == 9  # a new step forgets what was undone
    assert found["idle"] == 0  # a gesture that led nowhere leaves no trace


def test_what_was_reached_stays_with_its_face_and_no_wish_keeps_it(run: Any) -> None:
    found = run(
        "state",
        """
        const features = ["smiling", "male", "young"].map((name) => ({name, weak: false, disturbs: []}));
        const led = {latent: "AAAA", quality: "live", by: "gradients"};
        const of = (s) => state.toFace(state.current(s), features).reached ?? null;
        const before = state.ask(state.begin({seed: 3, asked: {}, locks: [], exact: true}), "smiling", 1);
        const entry = state.current(before);
        let s = state.keep(before, "a"); // kept before the answer came
        const none = of(s);
        state.arrive(entry, {...led, measured: [1], bitmap: null});
        const gone = Object.entries({
          ask: state.ask(s, "smiling", 2), back: state.ask(s, "smiling", 0), lock: state.lock(s, "male"), reset: state.reset(s),
          others: state.lockOthers(s, true), guard: state.guard(s, false), exact: state.exact(s, false),
        }).filter(([, other]) => of(other) !== null).map(([name]) => name);
        s = state.keep(state.go(state.addFace(s, {seed: 4, asked: {}, locks: [], exact: false}), -1), "b");
        const back = state.current(state.restore(s, {seed: 5, asked: {}, locks: [], exact: true, reached: led, soft: {male: 2}}));
        return {none, gone, now: of(s), mix: state.view(state.walk(s, 0.5), features).mix, back: state.toFace(back, features)};
        """,
    )
    led = {"latent": "AAAA", "quality": "live", "by": "gradients"}
    assert (found["none"], found["gone"], found["now"]) == (None, [], led)
    assert found["mix"]["a"]["reached"] == found["mix"]["b"]["reached"] == led
    assert (found["back"]["reached"], found["back"]["soft"]) == (led, {"male": 2})


def test_half_precision_is_that_of_ieee_754(run: Any) -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    values = (rng.normal(size=4000) * 10.0 ** rng.integers(-9, 6, 4000)).astype(np.float32)
    edge = [
        0.0,
        -0.0,
        65504,
        65519.99,
        65520,
        1e9,
        -1e9,
        2**-14,
        2**-24,
        2**-25,
        1.5 * 2**-24,
        1 + 2**-11,
        1 + 3 * 2**-11,
    ]
    values = np.concatenate([values, np.array(edge, dtype=np.float32)])
    bits, back = run(
        "half",
        f"""const bits = Float32Array.from({[float(value) for value in values]}, (value) => value);
        const all = Array.from({{length: 65536}}, (_, k) => k).filter((k) => !Number.isNaN(half.fromHalf(k)));
        return [Array.from(bits, half.toHalf), all.every((k) => half.toHalf(half.fromHalf(k)) === k)];""",
    )
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(np.array(bits, dtype=np.uint16), values.astype(np.float16).view(np.uint16))
    assert back


DESCRIPTION = """{generator: {fingerprint: "abcdef0123456789", name: "g"}, limits: {asked: 100, seeds: 2 ** 31},
  features: [{name: "smiling"}, {name: "5_o_clock_shadow"}]}"""


REACHED = {"latent": "AACAvwAAwD8=", "quality": "live", "by": "gradients"}  # -1, 1.5: float16 holds them


def test_links_of_before_are_read(run: Any) -> None:
    from pathlib import Path

    lines = (Path(__file__).parents[1] / "editing" / "version_1" / "links.txt").read_text().split()
    description = """{generator: {fingerprint: "0".repeat(64), name: "g"}, limits: {asked: 100, seeds: 2 ** 31},
      features: [{name: "f0"}, {name: "f1"}]}"""
    seed, latent = run("link", f"return {lines}.map((line) => link.read(line, {description}));")
    assert seed == {"seed": 7, "asked": {"f0": 1.5}, "locks": ["f1"], "exact": True}
    assert latent == {k: v for k, v in seed.items() if k != "seed"} | {"latent": "AACAv5qZGb/NzEy+zcxMPpqZGT8AAIA/"}


def test_a_link_too_long_for_a_message_says_that_it_holds_less(run: Any) -> None:
    lengths = run(
        "link",
        """
        const face = (count) => ({seed: 7, asked: {smiling: 1}, locks: [], exact: true,
          reached: {latent: btoa("\\0".repeat(4 * count)), quality: "live", by: "gradients"}});
        return [512, 23 * 512].map((count) => {
          const fragment = link.write(face(count), "abcdef0123456789");
          return [fragment.length, link.whole(face(count), fragment)];
        });
        """.replace("\\\\0", "\\0"),
    )
    (one, whole), (layers, less) = lengths
    assert whole
    assert 1366 < one < 1500
    assert not less
    assert layers < 100


def test_links_come_back_as_they_went(run: Any) -> None:
    faces = [
        {"seed": 7, "asked": {"smiling": -1.25, "5_o_clock_shadow": 2}, "locks": ["smiling"], "exact": True},
        {"seed": 0, "asked": {}, "locks": [], "exact": False},
        {"latent": "AACAvwAAwD8=", "asked": {"smiling": 1}, "locks": [], "exact": False},
        {
            "seed": 7,
            "asked": {"smiling": 1},
            "locks": [],
            "exact": True,
            "soft": {"5_o_clock_shadow": 2.5},
            "identity": True,
        },
        {"seed": 7, "asked": {"smiling": 1}, "locks": [], "exact": True, "reached": REACHED},
    ]
    found = run(
        "link",
        f"const d = {DESCRIPTION}; return {faces!r}.map((f) => link.read(link.write(f, d.generator.fingerprint), d));".replace(
            "True", "true"
        ).replace("False", "false"),
    )
    assert found == faces


def test_wishes_are_read_as_people_write_them(run: Any) -> None:
    features = """[
      {name: "smiling", label: "Smile", low: "neutral", high: "smiling"},
      {name: "eyeglasses", label: "Eyeglasses", low: "no glasses", high: "glasses"},
      {name: "young", label: "Young", low: "older", high: "younger"}]"""
    found = run(
        "wish",
        f"""const features = {features};
        return ["smiling +2, glasses", "older", "older +1.5; smile -1", "Eyeglasses=3", "young −1", "no glasses"]
          .map((text) => wish.readWish(text, features));""",
    )
    assert found == [
        {"smiling": 2, "eyeglasses": 2},
        {"young": -2},
        {"young": -1.5, "smiling": -1},
        {"eyeglasses": 3},
        {"young": -1},
        {"eyeglasses": -2},
    ]
    for text in ("", "zebra", "zebra +2"):
        assert run(
            "wish", f"try {{ wish.readWish({text!r}, {features}); return null; }} catch (e) {{ return e.message; }}"
        )


def test_png_checksums_are_the_standard_s(run: Any) -> None:
    import zlib

    data = bytes(range(256)) * 3
    assert run("png_chunks", f"return png_chunks.crc(Uint8Array.from({list(data)}));") == zlib.crc32(data)


def test_a_written_png_is_read_back_and_is_still_a_png(run: Any) -> None:
    found = run(
        "png_state",
        """
        const canvas = new OffscreenCanvas(5, 4);
        canvas.getContext("2d").fillRect(0, 0, 5, 4);
        const state = {words: "é ☺", numbers: [1, 2.5]};
        const file = await png_state.write(await canvas.convertToBlob({type: "image/png"}), state);
        const bitmap = await createImageBitmap(file);
        return {size: [bitmap.width, bitmap.height], state: await png_state.read(file)};
        """,
    )
    assert found == {"size": [5, 4], "state": {"words": "é ☺", "numbers": [1, 2.5]}}


def test_enlarging_keeps_flat_pictures_flat_and_edges_where_they_are(run: Any) -> None:
    found = run(
        "upscale",
        """
        const picture = (paint) => {
          const image = new ImageData(16, 16);
          for (let y = 0; y < 16; y++) for (let x = 0; x < 16; x++) image.data.set([...paint(x, y), 255], (y * 16 + x) * 4);
          return image;
        };
        const flat = upscale.enlarge(picture(() => [10, 128, 250]));
        const edge = upscale.enlarge(picture((x) => (x < 8 ? [0, 0, 0] : [255, 255, 255])));
        const row = Array.from({length: 64}, (_, x) => edge.data[(32 * 64 + x) * 4]);
        const half = row.findIndex((value) => value >= 128);
        const ramp = picture((x, y) => [8 * x + 40, 8 * y + 40, 90]);
        const full = upscale.enlarge(ramp);
        const draft = upscale.enlarge(ramp, true);
        let apart = 0; // a draft's pixel is the mean of the four finished ones under it, nearly
        for (let y = 2; y < 30; y++) for (let x = 2; x < 30; x++) for (let c = 0; c < 3; c++) {
          const at = (dy, dx) => full.data[((2 * y + dy) * 64 + 2 * x + dx) * 4 + c];
          const mean = (at(0, 0) + at(0, 1) + at(1, 0) + at(1, 1)) / 4;
          apart = Math.max(apart, Math.abs(draft.data[(y * 32 + x) * 4 + c] - mean));
        }
        return {size: [flat.width, flat.height], half, ends: [row[0], row[63]],
                draft: [draft.width, draft.height], close: apart <= 2,
                flat: [Math.min(...flat.data.filter((_, k) => k % 4 === 1)), Math.max(...flat.data.filter((_, k) => k % 4 === 1))],
                opaque: flat.data.every((value, k) => k % 4 !== 3 || value === 255)};
        """,
    )
    assert found == {
        "size": [64, 64],
        "half": 32,
        "ends": [0, 255],
        "draft": [32, 32],
        "close": True,
        "flat": [128, 128],
        "opaque": True,
    }


def test_places_are_said_in_the_feature_s_own_unit(run: Any) -> None:
    found = run(
        "engine",
        """
        const p = {kind: "probability", mean: 0, sd: 2, unit: ""};
        const q = {kind: "quantity", mean: 40, sd: 10, unit: "years"};
        const f = {kind: "quantity", mean: 0, sd: 0.1, unit: ""};
        return [engine.natural(p, 0), engine.natural(p, 3), engine.natural(q, -1.5), engine.natural(f, -1)];
        """,
    )
    assert found == ["50 %", "100 %", "25 years", "−0.10"]
