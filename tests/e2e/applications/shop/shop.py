"""A Flask application such as people have: pages from templates, a form, JSON, uploads, static files."""

import hashlib
import os

from flask import Flask, jsonify, redirect, render_template, request, url_for

app = Flask(__name__)
app.secret_key = "tests only"
orders = []


@app.get("/")
def index():
    return render_template("index.html", title="The shop", orders=orders)


@app.post("/orders")
def order():
    orders.append(request.form["what"])
    return redirect(url_for("index"), code=303)


@app.post("/api/sum")
def add():
    numbers = request.get_json()["numbers"]
    return jsonify(total=sum(numbers), count=len(numbers))


@app.post("/upload")
def upload():
    file = request.files["file"]
    digest = hashlib.sha256()
    while piece := file.stream.read(1 << 16):
        digest.update(piece)
    return jsonify(name=file.filename, sha256=digest.hexdigest())


@app.get("/pid")
def pid():
    return str(os.getpid())


@app.get("/broken")
def broken():
    raise ValueError("the shop is on fire")
