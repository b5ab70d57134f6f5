"""Makes the inputs of the models here: ``python make_inputs.py FOLDER``.

Needs espeak-ng, the DejaVu fonts, NumPy and Pillow. The committed files were made by it once;
another version of espeak-ng or Pillow may give other, equally good ones. magika's inputs are
plain files and were written by hand.
"""

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


def speech(seconds: float) -> Array:
    """The spoken sentence at 16 kHz: float64, shape (samples,), in [-1, 1]."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(
            ["espeak-ng", "-v", "en-gb", "-s", "150", "-w", file.name, SENTENCE], check=True
        )
        with wave.open(file.name) as spoken:
            rate = spoken.getframerate()
            sound = np.frombuffer(spoken.readframes(spoken.getnframes()), np.int16) / 32768
    # A windowed sinc keeps what lies above the new Nyquist frequency from folding back.
    taps = np.arange(-64, 65)
    low_pass = np.sinc(2 * 7600 / rate * taps) * np.hanning(taps.size)
    smooth = np.convolve(sound, low_pass / low_pass.sum(), "same")
    times = np.arange(int(seconds * RATE)) / RATE
    return np.asarray(np.interp(times * rate, np.arange(smooth.size), smooth))


def fan(seconds: float) -> Array:
    """A fan's hum and hiss, the same every time: float64, shape (samples,), in [-1, 1]."""
    times = np.arange(int(seconds * RATE)) / RATE
    hum = sum(np.sin(2 * np.pi * 50 * k * times) / k for k in (1, 2, 3))
    hiss = np.random.Generator(np.random.PCG64(7)).uniform(-1, 1, times.size)
    return np.asarray(0.02 * hum + 0.01 * np.convolve(hiss, np.ones(8) / 8, "same"))


def write_wav(path: Path, sound: Array) -> None:
    """Write 16-bit mono PCM; the wave module wants samples in the machine's byte order."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
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


def main(folder: Path) -> None:
    """Write all inputs below ``folder``."""
    write_wav(folder / "silero-vad" / "speech.wav", speech(2.0))
    write_wav(folder / "silero-vad" / "fan.wav", fan(0.64))
    upright = text_line("Big endian")
    upright.save(folder / "ppocr-direction" / "upright.png", optimize=True)
    turned = text_line("IBM Z, s390x").rotate(180)
    turned.save(folder / "ppocr-direction" / "turned.png", optimize=True)
    landscape(224).quantize(128).save(folder / "resnet50-light" / "landscape.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
