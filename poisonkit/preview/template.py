"""The HTML of a preview page."""

PLAY_TOGETHER = """<script>
const videos = [...document.querySelectorAll("video")];
document.getElementById("play").addEventListener("click", () => {
  for (const video of videos) { video.pause(); video.currentTime = 0; }
  for (const video of videos) video.play();
});
</script>"""
"""A script: the button `play` starts all videos of the page from their beginnings."""
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.4rem; }}
table {{ border-collapse: collapse; margin-bottom: 1.5rem; }}
th {{ text-align: left; font-weight: 600; padding: 0 1.5rem 0 0; vertical-align: top; }}
.row {{ display: flex; flex-wrap: wrap; gap: 1rem; }}
figure {{ margin: 0; flex: 1 1 18rem; }}
audio, video, img {{ width: 100%; display: block; }}
figcaption {{ font-size: .9rem; opacity: .8; }}
button {{ font: inherit; padding: .3rem .8rem; margin: .5rem 0 1.5rem; }}
footer {{ margin-top: 2rem; font-size: .85rem; opacity: .7; }}
</style>
</head>
<body>
<h1>{title}</h1>
<table>
{table}
</table>
{body}
<footer>poisonkit {version}. The change as it is meant, before any encoder.</footer>
</body>
</html>
"""
"""For `str.format` with `title`, `table`, `body` and `version`."""
