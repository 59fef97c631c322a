"""A server of the batch protocol in forty lines, to start your own from: python docs/verifier_server.py 8900."""

import base64
import io
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from PIL import Image

SERVED = {"model": "mean-red", "revision": "1"}


def judge(image, text):
    """Put your model here: the probability of yes, from a picture and a question. This one asks for red pixels."""
    red = sum(1 for r, g, b in image.convert("RGB").getdata() if r > 150 and max(g, b) < 100)
    return min(1.0, 4 * red / (image.width * image.height)) if "red" in text else 0.0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send({"protocol": 1, "status": "ok", "served": SERVED, "probabilities": True, "max_queries": 64})

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        images = {name: Image.open(io.BytesIO(base64.b64decode(one))) for name, one in request["images"].items()}
        replies = []
        for query in request["queries"]:
            yes = judge(images[query["images"][0]], query["text"])
            replies.append(
                {
                    "id": query["id"],
                    "status": "ok",
                    "text": "yes" if yes > 0.5 else "no",
                    "probabilities": {"yes": yes, "no": 1 - yes},
                }
            )
        self.send({"protocol": 1, "served": SERVED, "replies": replies})

    def send(self, content):
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
