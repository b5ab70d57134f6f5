"""Makes the inputs of the models here: ``python make_inputs.py FOLDER``.

Needs espeak-ng, the DejaVu fonts, NumPy and Pillow. The committed files were made by it once;
another version of espeak-ng or Pillow may give other, equally good ones. What it does not make
are plain files that were written by hand: magika's, question.txt and sentence*.json.
"""

import json
import subprocess
import sys
import tempfile
import wave
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
RATE = 16000
SENTENCE = "The numbers are right on every machine."
FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"


def spoken(text: str, *options: str) -> tuple[int, Array]:
    """What espeak-ng says: samples a second, and the sound without what 16 kHz cannot hold:
    float64, shape (samples,), in [-1, 1]."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(["espeak-ng", *options, "-w", file.name, text], check=True)
        with wave.open(file.name) as said:
            rate = said.getframerate()
            sound = np.frombuffer(said.readframes(said.getnframes()), np.int16) / 32768
    # A windowed sinc keeps what lies above the new Nyquist frequency from folding back.
    taps = np.arange(-64, 65)
    low_pass = np.sinc(2 * 7600 / rate * taps) * np.hanning(taps.size)
    return rate, np.convolve(sound, low_pass / low_pass.sum(), "same")


def speech(seconds: float) -> Array:
    """The spoken sentence at 16 kHz: float64, shape (samples,), in [-1, 1]."""
    rate, smooth = spoken(SENTENCE, "-v", "en-gb", "-s", "150")
    times = np.arange(int(seconds * RATE)) / RATE
    return np.asarray(np.interp(times * rate, np.arange(smooth.size), smooth))


def fan(seconds: float) -> Array:
    """A fan's hum and hiss, the same every time: float64, shape (samples,), in [-1, 1]."""
    times = np.arange(int(seconds * RATE)) / RATE
    hum = sum(np.sin(2 * np.pi * 50 * k * times) / k for k in (1, 2, 3))
    hiss = np.random.Generator(np.random.PCG64(7)).uniform(-1, 1, times.size)
    return np.asarray(0.02 * hum + 0.01 * np.convolve(hiss, np.ones(8) / 8, "same"))


def write_wav(path: Path, sound: Array, rate: int = RATE) -> None:
    """Write 16-bit mono PCM; the wave module wants samples in the machine's byte order."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.round(np.clip(sound, -1, 1) * 32767).astype(np.int16).tobytes())


def text_line(text: str) -> Image.Image:
    """One line of dark text on light ground, 192x48 pixels."""
    image = Image.new("RGB", (192, 48), (236, 232, 224))
    font = ImageFont.truetype(FONT, 26)
    ImageDraw.Draw(image).text((96, 24), text, (28, 32, 48), font, anchor="mm")
    return image


def landscape(size: int) -> Image.Image:
    """A sky with a sun over hills and a lake, in ``size`` x ``size`` pixels."""
    y = np.mgrid[0:size, 0:size][0] / size
    sky = np.stack([110 + 120 * y, 150 + 60 * y, 230 - 70 * y], axis=-1)
    image = Image.fromarray(np.clip(sky, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.ellipse([size * 0.62, size * 0.12, size * 0.80, size * 0.30], (255, 226, 140))
    for base, height, colour in ((0.55, 0.10, (92, 110, 120)), (0.68, 0.07, (58, 92, 62))):
        ridge = [
            (i, size * (base + height * np.sin(i / size * 9 + base * 40))) for i in range(size)
        ]
        draw.polygon([*ridge, (size, size), (0, size)], colour)
    draw.rectangle([0, size * 0.84, size, size], (60, 96, 128))
    for trunk in (0.14, 0.23, 0.47):
        draw.rectangle([size * trunk, size * 0.62, size * (trunk + 0.02), size * 0.8], (70, 50, 38))
        draw.ellipse(
            [size * (trunk - 0.06), size * 0.5, size * (trunk + 0.08), size * 0.68], (40, 110, 48)
        )
    return image.filter(ImageFilter.GaussianBlur(0.8))


def figure(size: int) -> Image.Image:
    """Somebody standing before a wall, in ``size`` x ``size`` pixels."""
    image = Image.new("RGB", (size, size), (196, 188, 170))
    draw = ImageDraw.Draw(image)
    draw.rectangle([0, size * 0.86, size, size], (120, 96, 74))
    draw.ellipse([size * 0.42, size * 0.12, size * 0.58, size * 0.30], (224, 178, 146))
    draw.rounded_rectangle([size * 0.36, size * 0.30, size * 0.64, size * 0.62], 9, (38, 78, 140))
    for leg in (0.39, 0.53):
        draw.rectangle([size * leg, size * 0.62, size * (leg + 0.09), size * 0.92], (44, 44, 52))
    return image.filter(ImageFilter.GaussianBlur(0.8))


def page() -> Image.Image:
    """Two lines of text on light ground, 224x96 pixels."""
    image = Image.new("RGB", (224, 96), (240, 238, 232))
    draw = ImageDraw.Draw(image)
    draw.text((20, 14), "Big endian", (30, 34, 46), ImageFont.truetype(FONT, 26), anchor="la")
    draw.text((34, 58), "IBM Z 390", (96, 30, 40), ImageFont.truetype(FONT, 22), anchor="la")
    return image


def puzzle(text: str, width: int, height: int) -> Image.Image:
    """Characters, each turned a little, under a few thin lines."""
    image = Image.new("RGB", (width, height), (250, 250, 246))
    font = ImageFont.truetype(FONT, height * 3 // 5)
    step = width // (len(text) + 1)
    for place, character in enumerate(text):
        tile = Image.new("L", (height, height), 0)
        centre = (height // 2, height // 2)
        ImageDraw.Draw(tile).text(centre, character, 255, font, anchor="mm")
        tile = tile.rotate((-9, 6, -4, 8)[place % 4], Image.Resampling.BILINEAR)
        left = step // 2 + place * step + (step - height) // 2
        image.paste((36 + 20 * place, 50, 120), (left, 0), tile)
    draw = ImageDraw.Draw(image)
    for start, end in ((0.3, 0.6), (0.7, 0.45)):
        draw.line([(0, height * start), (width, height * end)], (150, 150, 158), 1)
    return image


def melody(seconds: float, rate: int) -> Array:
    """Four struck notes (C, E, G, C), one after the other: float64, shape (samples,)."""
    sound = np.zeros(int(seconds * rate))
    for place, note in enumerate((60, 64, 67, 72)):
        start = place * sound.size // 4
        times = np.arange(sound.size - start) / rate
        pitch = 440 * 2 ** ((note - 69) / 12)
        tone = sum(np.sin(2 * np.pi * pitch * k * times) / k**2 for k in (1, 2, 3, 4))
        sound[start:] += 0.2 * tone * np.exp(-3 * times)
    return sound


def brain_waves(seconds: float, rate: int) -> Array:
    """Noise whose power falls with the frequency, and two spindles of 13 Hz: int16 (samples,)."""
    noise = np.random.Generator(np.random.PCG64(11)).uniform(-1, 1, int(seconds * rate))
    slow = np.cumsum(noise)
    slow -= np.convolve(slow, np.ones(rate) / rate, "same")
    times = np.arange(noise.size) / rate
    for middle in (seconds * 0.3, seconds * 0.7):
        bell = np.exp(-(((times - middle) / 0.4) ** 2))
        slow = slow + 12 * bell * np.sin(2 * np.pi * 13 * times)
    return np.asarray(np.round(slow * 10).astype("<i2"))


def features(*shape: int) -> Array:
    """Smooth values around 0, float32, as energies over time and frequency are."""
    rough = np.random.Generator(np.random.PCG64(5)).uniform(-1, 1, shape)
    smooth = (rough + np.roll(rough, 1, -1) + np.roll(rough, 1, -2)) if len(shape) > 2 else rough
    return np.asarray(smooth.astype("<f4"))


def advertisements() -> list[dict[str, list[Any]]]:
    """Four rows of 13 numbers and 26 words."""
    chance = np.random.Generator(np.random.PCG64(3))
    words = ("red", "green", "blue", "amber", "violet", "grey", "white", "black")
    return [
        {
            "numbers": [round(float(x), 3) for x in chance.uniform(0, 2, 13)],
            "words": [words[i] for i in chance.integers(0, len(words), 26)],
        }
        for _ in range(4)
    ]


def write_readings(path: Path) -> None:
    """A table of 16 rows of 12 readings; multiples of 1/1000, so none lies on a threshold."""
    rows = np.random.Generator(np.random.PCG64(2)).uniform(-1.5, 1.5, (16, 12)).round(3)
    names = [f"sensor{index}" for index in range(12)]
    lines = [",".join(names), *(",".join(f"{x:.3f}" for x in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n")


LANDSCAPES = (
    "resnet50-light", "alexnet-light", "zfnet512-light", "vgg19-light", "squeezenet-light",
    "shufflenet-light", "inception-v1-light", "inception-v2-light", "densenet121-light",
    "resnet50-v1.5", "mobilenet-v1", "visual-wake-words", "resnet8", "ssd-mobilenet", "open-nsfw",
)  # fmt: skip


def main(folder: Path) -> None:
    """Write all inputs below ``folder``."""
    write_sounds(folder)
    write_pictures(folder)
    write_numbers(folder)


def write_sounds(folder: Path) -> None:
    """Speech, a fan and a melody."""
    for name in ("silero-vad", "silero-vad-sequence", "silero-vad-half"):
        write_wav(folder / name / "speech.wav", speech(2.0))
        write_wav(folder / name / "fan.wav", fan(0.64))
    for name in ("swift-f0", "dnsmos"):
        write_wav(folder / name / "speech.wav", speech(2.0))
    write_wav(folder / "basic-pitch" / "melody.wav", melody(1.9, 22050), 22050)


def write_pictures(folder: Path) -> None:
    """Lines of text, puzzles, a landscape and a figure."""
    upright = text_line("Big endian")
    turned = text_line("IBM Z, s390x").rotate(180)
    upright.save(folder / "ppocr-direction" / "upright.png", optimize=True)
    turned.save(folder / "ppocr-direction" / "turned.png", optimize=True)
    upright.save(folder / "ppocr-recognition" / "line.png", optimize=True)
    page().save(folder / "ppocr-detection" / "page.png", optimize=True)
    page().save(folder / "ddddocr-detection" / "page.png", optimize=True)
    for name in ("ddddocr-recognition", "ddddocr-quantized"):
        puzzle("8k3f", 150, 50).quantize(64).save(folder / name / "puzzle.png", optimize=True)
    puzzle("7HX2", 160, 60).quantize(64).save(folder / "captcha-crnn" / "puzzle.png", optimize=True)
    for name in LANDSCAPES:
        landscape(224).quantize(128).save(folder / name / "landscape.png", optimize=True)
    for name in ("visual-wake-words", "resnet8"):
        figure(96).quantize(64).save(folder / name / "figure.png", optimize=True)


def write_numbers(folder: Path) -> None:
    """Arrays (little-endian, as their headers say), tables and rows."""
    np.save(folder / "keyword-spotting" / "features.npy", features(1, 1, 49, 10))
    np.save(folder / "wake-word" / "features.npy", features(1, 40, 30))
    np.save(folder / "anomaly-autoencoder" / "features.npy", features(1, 640))
    # Each sphere: centre (z, y, x) and radius in 1/256 of the side, brightness.
    spheres = [[96, 96, 96, 60, 90], [160, 170, 150, 48, 200], [128, 60, 190, 32, 255]]
    for name in ("unet3d-32", "unet3d-128"):
        np.save(folder / name / "spheres.npy", np.array(spheres, "<i2"))
    np.save(folder / "eeg-seizure" / "waves.npy", brain_waves(30, 250))
    rows = json.dumps(advertisements(), indent=1)
    (folder / "dlrm" / "advertisements.json").write_text(rows + "\n")
    for path in folder.glob("sensors-*"):
        write_readings(path / "readings.csv")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
