# Mozilla's CA roots as one file: whom TLS connections believe on a machine that has no roots of its own.
SOURCE=ca-certificates
SCRIPT=ca_roots.py

build() {
    python3 -B "$toolchain/ca_roots.py" . "$STAGE/ca-roots.pem"
}
