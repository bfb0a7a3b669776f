"""A headless Chromium, driven over its DevTools protocol."""

import asyncio
import base64
import contextlib
import itertools
import json
import shutil
import subprocess
import time
from pathlib import Path

import aiohttp

BINARIES = ("chromium", "chromium-browser", "google-chrome")
START_SEC = 30
WAIT_SEC = 30


def find():
    """The path of a Chromium, None if there is none."""
    return next((path for name in BINARIES if (path := shutil.which(name))), None)


class Browser:
    """One page of a Chromium of its own; each method returns once the browser has done it.

    Attributes:
        log: what the page wrote to its console, what the browser refused, and what failed to load.
        seen: names of the events that the browser has told.
    """

    def __init__(self, binary, folder):
        flags = ("--headless=new", "--remote-debugging-port=0", f"--user-data-dir={folder}", "--no-first-run")
        # A container has no namespaces for the sandbox; the browser only ever sees our own page.
        flags += ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking")
        self._process = subprocess.Popen(
            [binary, *flags, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._folder, self.log, self.seen = Path(folder), [], set()
        self._numbers, self._loop = itertools.count(1), asyncio.new_event_loop()
        try:
            self._loop.run_until_complete(self._connect())
        except BaseException:
            self.close()
            raise

    async def _connect(self):
        port_file, end = self._folder / "DevToolsActivePort", time.monotonic() + START_SEC
        while not (port_file.exists() and port_file.read_text().count("\n")):
            assert time.monotonic() < end, "Chromium did not start"
            await asyncio.sleep(0.05)
        port = port_file.read_text().split("\n")[0]
        self._session = aiohttp.ClientSession()
        async with self._session.get(f"http://127.0.0.1:{port}/json/list") as response:
            pages = [page for page in await response.json() if page["type"] == "page"]
        self._socket = await self._session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0)
        for domain in ("Page", "Runtime", "Log", "DOM", "Accessibility"):
            await self._call(f"{domain}.enable")

    async def _call(self, method, **parameters):
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = json.loads((await self._socket.receive(WAIT_SEC)).data)
            if message.get("id") == number:
                assert "error" not in message, (method, message["error"])
                return message["result"]
            self._note(message)

    def _note(self, message):
        parameters = message.get("params", {})
        self.seen.add(message.get("method"))
        if message.get("method") == "Runtime.exceptionThrown":
            self.log.append(parameters["exceptionDetails"].get("exception", {}).get("description", "exception"))
        elif message.get("method") == "Log.entryAdded":
            self.log.append(f"{parameters['entry']['text']} {parameters['entry'].get('url', '')}")
        elif message.get("method") == "Runtime.consoleAPICalled":
            self.log.append(" ".join(str(one.get("value")) for one in parameters["args"]))

    def call(self, method, **parameters):
        return self._loop.run_until_complete(self._call(method, **parameters))

    def evaluate(self, expression):
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait_for(self, expression, timeout_sec=WAIT_SEC):
        """Waits until an expression is true; returns its value."""
        end = time.monotonic() + timeout_sec
        while not (value := self.evaluate(expression)):
            assert time.monotonic() < end, f"never true: {expression}\n{self.evaluate('document.body.innerText')}"
            time.sleep(0.03)
        return value

    def open(self, address):
        self.call("Page.navigate", url=address)
        self.wait_for(f"location.href.startsWith({json.dumps(address)}) && document.readyState === 'complete'")

    def look(self, *, width, dark, height=900):
        """Sets the size of the window, and whether the visitor likes it dark."""
        is_phone = width < 600
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=is_phone
        )
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.call("Emulation.setEmulatedMedia", features=features)

    def screenshot(self, path):
        """Writes a PNG of the whole page."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=True, format="png")
        Path(path).write_bytes(base64.b64decode(found["data"]))

    def choose_file(self, selector, path):
        """Gives a file to an input, as the browser's own dialogue does."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def drop_file(self, selector, path):
        """Drags a file from the desktop onto an element and lets it fall."""
        box = f"JSON.stringify(document.querySelector({json.dumps(selector)}).getBoundingClientRect())"
        box = json.loads(self.evaluate(box))
        data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
            self.call("Input.dispatchDragEvent", type=kind, data=data, **at)

    def press(self, key, code):
        text = {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def accessible(self):
        """What a screen reader is told: (role, name) of everything that is not hidden from it."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        return [
            (node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node.get("ignored")
        ]

    def close(self):
        with contextlib.suppress(AttributeError, RuntimeError):
            self._loop.run_until_complete(self._session.close())
        self._loop.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
