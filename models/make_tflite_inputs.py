"""Makes the inputs of the TensorFlow Lite models: ``python make_tflite_inputs.py FOLDER PACKAGES``.

A drawn face, spoken words, and what earlier networks of a chain make of those. PACKAGES is where
the wheels pyopen-wakeword and pymicro-wakeword were unpacked, FOLDER where the inputs go, in a
folder for each model. Needs espeak-ng, pillow, pymicro-features and tflite-runtime.
"""

import sys
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from make_inputs import RATE, fan, melody, spoken, write_wav
from PIL import Image, ImageDraw, ImageFilter
from pymicro_features import MicroFrontend
from tflite_runtime.interpreter import Interpreter

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

ALEXA = ("Alexa", "en-gb", 130, 40)
JARVIS = ("Hey, Jarvis", "en-us+f3", 130, 60)
NABU = ("Okay Nabu", "en-gb", 130, 40)
"""What is said, and espeak-ng's voice, words a minute and pitch."""


def say(text: str, voice: str, speed: int, pitch: int, seconds: float = 2.6) -> Array:
    """Words at 16 kHz after 0.9 s of silence: float64, shape (samples,), in [-1, 1]."""
    rate, smooth = spoken(text, "-v", voice, "-s", str(speed), "-p", str(pitch))
    times = np.arange(int(seconds * RATE)) / RATE - 0.9
    spoken_part = np.interp(times * rate, np.arange(smooth.size), smooth, right=0)
    return np.where(times >= 0, spoken_part, 0)


def samples(sound: Array) -> Array:
    """16-bit samples, little-endian."""
    return np.round(np.clip(sound, -1, 1) * 32767).astype("<i2")


def run(model: Path, given: Array) -> Array:
    """A TensorFlow Lite model's first output."""
    interpreter = Interpreter(str(model))
    place = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(place, given.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(place, given)
    interpreter.invoke()
    return np.asarray(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))


def mel_frames(models: Path, sound: Array) -> Array:
    """openWakeWord's log-mel spectrogram, as its next network takes it: shape (frames, 32)."""
    heard = run(models / "melspectrogram.tflite", samples(sound).astype(np.float32)[np.newaxis])
    return np.asarray(heard[0, 0] / 10 + 2, "<f4")


def embeddings(models: Path, frames: Array) -> Array:
    """A vector for each 76 frames, every 8 frames: shape (places, 96)."""
    places = range(0, len(frames) - 75, 8)
    windows = [frames[np.newaxis, place : place + 76, :, np.newaxis] for place in places]
    return np.asarray(
        [run(models / "embedding_model.tflite", one).reshape(96) for one in windows], "<f4"
    )


def micro_features(sound: Array) -> Array:
    """microWakeWord's features, quantized as its networks take them: int8, shape (frames, 40)."""
    frontend, data, found, place = MicroFrontend(), samples(sound).tobytes(), [], 0
    while place + 320 <= len(data):
        answer = frontend.process_samples(data[place : place + 320])
        place += 2 * answer.samples_read
        if answer.features:
            found.append(answer.features)
    scale, zero = 0.10196078568696976, -128
    return np.clip(np.round(np.array(found) / scale + zero), -128, 127).astype(np.int8)


def face(size: int) -> Image.Image:
    """Somebody's head before a wall, light from the left, in ``size`` x ``size`` pixels."""
    unit = size / 256
    image = Image.new("RGB", (size, size), (176, 186, 196))
    draw = ImageDraw.Draw(image)

    def oval(box: tuple[int, int, int, int], colour: tuple[int, int, int]) -> None:
        draw.ellipse([edge * unit for edge in box], colour)

    def line(points: list[tuple[float, float]], colour: tuple[int, int, int], width: int) -> None:
        draw.line([(x * unit, y * unit) for x, y in points], colour, max(1, int(width * unit)))

    hair, skin, shade, lips = (58, 40, 28), (224, 178, 148), (206, 158, 128), (176, 84, 84)
    oval((58, 22, 198, 170), hair)
    draw.rectangle([104 * unit, 190 * unit, 152 * unit, size], shade)
    oval((30, 226, 226, 330), (40, 60, 110))
    for box in ((70, 46, 186, 216), (60, 116, 76, 150), (180, 116, 196, 150)):
        oval(box, skin)
    draw.pieslice([66 * unit, 26 * unit, 190 * unit, 130 * unit], 180, 360, hair)
    oval((74, 64, 182, 140), skin)
    for x in (102, 154):
        line([(x - 17, 101), (x, 95), (x + 17, 101)], (60, 42, 30), 5)
        oval((x - 15, 110, x + 15, 126), (248, 244, 240))
        oval((x - 7, 110, x + 7, 126), (70, 50, 40))
        oval((x - 3, 114, x + 3, 121), (10, 8, 8))
    draw.polygon(
        [(128 * unit, 116 * unit), (116 * unit, 158 * unit), (140 * unit, 158 * unit)], shade
    )
    oval((115, 152, 141, 164), (200, 146, 118))
    for box in ((119, 157, 125, 162), (131, 157, 137, 162)):
        oval(box, (130, 86, 70))
    oval((106, 174, 150, 192), lips)
    line([(107, 183), (149, 183)], (120, 48, 52), 2)
    soft = np.asarray(image.filter(ImageFilter.GaussianBlur(1.4 * unit)), np.float32)
    light = np.linspace(1.08, 0.86, size)[np.newaxis, :, np.newaxis]
    return Image.fromarray(np.clip(soft * light, 0, 255).astype(np.uint8))


def main(folder: Path, packages: Path) -> None:
    """Write all inputs below ``folder``."""
    open_models = packages / "pyopen_wakeword" / "models"
    write_wav(folder / "basic-pitch-tflite" / "melody.wav", melody(1.9, 22050), 22050)
    write_wav(folder / "wake-word-spectrogram" / "jarvis.wav", say(*JARVIS))
    jarvis = mel_frames(open_models, say(*JARVIS))
    hum = mel_frames(open_models, fan(2.6))
    np.save(folder / "wake-word-embedding" / "jarvis.npy", jarvis)
    np.save(folder / "hey-jarvis" / "jarvis.npy", embeddings(open_models, jarvis))
    np.save(folder / "hey-jarvis" / "fan.npy", embeddings(open_models, hum))
    for name, words in (("alexa-int8", ALEXA), ("okay-nabu-int8", NABU)):
        np.save(folder / name / "called.npy", micro_features(say(*words)))
        np.save(folder / name / "fan.npy", micro_features(fan(1.3)))
    portrait = face(256)
    room = Image.new("RGB", (384, 384), (176, 186, 196))
    room.paste(portrait, (64, 64))
    portrait.save(folder / "face-detection" / "face.png", optimize=True)
    room.save(folder / "face-detection-sparse" / "room.png", optimize=True)
    for name in ("face-detection", "face-detection-sparse"):
        wall = Image.new("RGB", (96, 96), (176, 186, 196))
        wall.save(folder / name / "wall.png", optimize=True)
    near = portrait.crop((36, 36, 228, 228))
    near.save(folder / "face-landmarks" / "face.png", optimize=True)
    portrait.crop((70, 86, 134, 150)).save(folder / "iris-landmarks" / "eye.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
