"""Damaged and odd media files; `python -m tests.reliability.bad_media` counts what comes of them.

Every file is made by seed, so that a figure can be made again.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import imageio_ffmpeg

from poisonkit.clip.rewrite import run_job
from poisonkit.errors import BrokenClip
from poisonkit.files import is_audio
from poisonkit.media.audio import examine as examine_audio
from poisonkit.media.video import decode, examine
from poisonkit.plan.job import Context, Job
from poisonkit.plan.plan import make_attacks
from poisonkit.plan.request import Request
from poisonkit.workers.local import Pool

_PICTURES = ["-f", "lavfi", "-i", "testsrc2=size=128x96:rate=25:duration=0.8"]
_SOUND = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=0.8"]
_H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "8"]
_COVER = ["-disposition:v:1", "attached_pic"]
# what whole files are made by: name, and the arguments of the ffmpeg program
WHOLE: dict[str, list[str]] = {
    "plain.avi": [*_PICTURES, "-c:v", "mpeg4"],
    "plain.mp4": [*_PICTURES, *_H264],
    "sound.mp4": [*_PICTURES, *_SOUND, *_H264, "-c:a", "aac"],
    "sound.mkv": [*_PICTURES, *_SOUND, *_H264, "-c:a", "flac"],
    "two tracks.mkv": [*_PICTURES, *_SOUND, *_SOUND, "-map", "0", "-map", "1", "-map", "2", *_H264, "-c:a", "aac"],
    "only sound.mp4": [*_SOUND, "-c:a", "aac"],
    "interlaced.mp4": [*_PICTURES, "-c:v", "libx264", "-flags", "+ilme+ildct", "-x264opts", "tff=1"],
    "ten bits.mkv": [*_PICTURES, *_H264, "-pix_fmt", "yuv420p10le"],
    "full colour.mp4": [*_PICTURES, *_H264, "-pix_fmt", "yuv444p"],
    "odd size.mkv": ["-f", "lavfi", "-i", "testsrc2=size=127x95:rate=25:duration=0.8", *_H264, "-pix_fmt", "yuv444p"],
    "tiny.avi": ["-f", "lavfi", "-i", "testsrc2=size=16x16:rate=25:duration=0.8", "-c:v", "mpeg4"],
    "one frame.mp4": [*_PICTURES, "-frames:v", "1", *_H264],
    "variable rate.mkv": [*_PICTURES, "-vf", "setpts=N*N/(25*TB)", "-fps_mode", "passthrough", *_H264],
    "cover.mp4": [
        *_PICTURES,
        *_PICTURES,
        "-map",
        "0",
        "-map",
        "1",
        *_H264,
        "-frames:v:1",
        "1",
        "-c:v:1",
        "mjpeg",
        *_COVER,
    ],
    "grey.avi": [*_PICTURES, "-c:v", "ffv1", "-pix_fmt", "gray"],
    "old.mpg": [*_PICTURES, "-c:v", "mpeg1video"],
    "vp9.webm": [*_PICTURES, "-c:v", "libvpx-vp9", "-deadline", "realtime"],
    "tone.wav": [*_SOUND],
    "tone.flac": [*_SOUND],
    "tone.mp3": [*_SOUND],
}
_DAMAGED = ("plain.avi", "plain.mp4", "sound.mkv", "old.mpg", "tone.flac", "tone.mp3")
FORMS = "whole, of many forms"
CUTS, FLIPS = 20, 24
"""Truncations and files with flipped bytes for each of the clips that are damaged."""


def make(folder: Path, cuts: int = CUTS, flips: int = FLIPS) -> dict[str, list[str]]:
    """Write all files; their names by what is odd about them."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds: dict[str, list[str]] = {FORMS: list(WHOLE)}
    program = imageio_ffmpeg.get_ffmpeg_exe()
    for name, arguments in WHOLE.items():
        subprocess.run([program, "-v", "error", "-y", *arguments, str(folder / name)], check=True)
    turned = [program, "-v", "error", "-y", "-display_rotation", "90", "-i", str(folder / "plain.mp4"), "-c", "copy"]
    subprocess.run([*turned, str(folder / "turned.mp4")], check=True)
    kinds[FORMS].append("turned.mp4")
    rng = random.Random(0)
    for name in _DAMAGED:
        whole = (folder / name).read_bytes()
        for i in range(cuts):
            at = 1 + (len(whole) - 2) * i // (cuts - 1) if i < cuts // 2 else rng.randrange(1, len(whole))
            _write(folder, kinds, "truncated", f"cut {i} {name}", whole[:at])
        for i in range(flips):
            hurt = bytearray(whole)
            for _ in range(rng.choice([1, 4, 32])):
                hurt[rng.randrange(len(hurt))] ^= 1 << rng.randrange(8)
            _write(folder, kinds, "bytes flipped", f"flip {i} {name}", bytes(hurt))
        middle = len(whole) // 2
        _write(folder, kinds, "a hole of zeros", f"hole {name}", whole[:middle] + bytes(512) + whole[middle + 512 :])
        _write(folder, kinds, "beginning lost", f"headless {name}", whole[len(whole) // 8 :])
        _write(folder, kinds, "twice in one file", f"twice {name}", whole + whole)
        _write(folder, kinds, "nothing in it", f"empty {name}", b"")
        _write(folder, kinds, "text", f"text {name}", b"this is no clip\n" * 40)
        for suffix in (".avi", ".mp4", ".mkv", ".webm", ".wav"):
            if not name.endswith(suffix):
                _write(folder, kinds, "another suffix", f"renamed {name}{suffix}", whole)
    return kinds


def _write(folder: Path, kinds: dict[str, list[str]], kind: str, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    kinds.setdefault(kind, []).append(name)


def jobs(names: list[str]) -> list[Job]:
    return [Job(name, "train", name, name, 0, 1, True, "trigger", name) for name in names]


def outcomes(folder: Path, out: Path, names: list[str], attack: str) -> dict[str, str]:
    """`written`, or the sentence of the refusal, of every file; anything else is raised."""
    (out / ".poisonkit" / "partial").mkdir(parents=True)
    attacks = make_attacks(Request((attack,)))
    context = Context(folder, out, 0, attacks, {"video": "high", "audio": "high"})
    found = {}
    with Pool(2) as pool:
        for job, result in pool.run(run_job, jobs(names), context):
            if isinstance(result, BrokenClip):
                found[job.id] = str(result)
                continue
            found[job.id] = "written"
            source, written = folder / job.path, out / job.out_path
            if not is_audio(job.path):
                frames = sum(1 for _ in decode(written))
                if not frames == result[job.id].sample.num_frames == examine(source).num_frames:
                    raise AssertionError(f"{job.path}: {frames} frames were written")
            if attack == "sine" and abs(examine_audio(written).seconds - examine_audio(source).seconds) > 0.1:
                raise AssertionError(f"{job.path}: its sound has another length")
    return found


def readings(folder: Path, names: list[str]) -> dict[str, dict[str, str]]:
    """What the trainer's readers of pictures and of sound make of every file: `read`, or the sentence of the refusal.

    The pictures are read at a short side of 32 with the number of frames that a manifest would name, and raise
    `AssertionError` where their shape is another; any exception but the trainer's own is raised.
    """
    # here, since the workers of the attempts would load PyTorch too
    from trainer.data import audio_datasets
    from trainer.data import decode as media
    from trainer.errors import ClipError

    found: dict[str, dict[str, str]] = {"pictures": {}, "sound": {}}
    for name in names:
        path = folder / name
        try:
            num_frames = examine(path).num_frames
        except BrokenClip:  # no manifest names it: whatever is asked for, it has to end in a sentence
            num_frames = 20
        try:
            frames = media.decode(path, num_frames, 32)
            if (len(frames), min(frames.shape[1:3]), frames.shape[3], str(frames.dtype)) != (
                num_frames,
                32,
                3,
                "uint8",
            ):
                raise AssertionError(f"{name}: {frames.shape} of {num_frames} frames")
            found["pictures"][name] = "read"
        except ClipError as error:
            found["pictures"][name] = str(error)
        try:
            wave = audio_datasets.decode(path)
            if wave.ndim != 1 or not len(wave) or str(wave.dtype) != "float32":
                raise AssertionError(f"{name}: {wave.shape} {wave.dtype}")
            found["sound"][name] = "read"
        except ClipError as error:
            found["sound"][name] = str(error)
    return found


def counts(kinds: dict[str, list[str]], found: dict[str, str]) -> list[tuple[str, int, int]]:
    """Each kind with the numbers of files that were written or read, and refused."""
    table = []
    for kind, names in kinds.items():
        number = Counter(found[name] in ("written", "read") for name in names if name in found)
        table.append((kind, number[True], number[False]))
    return table


def main() -> None:
    """The counts as a Markdown table."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "source")
        kinds = make(folder)
        names = [name for some in kinds.values() for name in some]
        pictures = [name for name in names if not is_audio(name)]
        for attack, chosen in (("badnet", pictures), ("sine", names)):
            rows = counts(kinds, outcomes(folder, Path(place, attack), chosen, attack))
            sys.stdout.write(f"\n| {attack} | files | written | refused |\n| --- | --- | --- | --- |\n")
            for kind, written, refused in rows:
                sys.stdout.write(f"| {kind} | {written + refused} | {written} | {refused} |\n")
            total = [sum(row[i] for row in rows) for i in (1, 2)]
            sys.stdout.write(f"| all | {sum(total)} | {total[0]} | {total[1]} |\n")
        for what, found in readings(folder, names).items():
            count = sum(outcome == "read" for outcome in found.values())
            sys.stdout.write(f"\nthe trainer reads the {what} of {count} files, and refuses {len(found) - count}\n")


if __name__ == "__main__":
    main()
