#!/usr/bin/python3
"""self_test.py - do the gates find what they are for? Each on small texts, good and bad."""

import pathlib
import unittest

import exit_gate
import functions
import fuzz_gate
import include_gate
import option_gate
import size_gate
import source
import words_gate

Path = pathlib.Path


def only(text):
    """The one function of this text."""
    found = functions.functions(text)
    assert len(found) == 1, found
    return found[0]


class Parser(unittest.TestCase):
    def test_name_line_and_length(self):
        function = only("\n\nstatic int\nadd(int a, int b)\n{\n    return a + b;\n}\n")
        self.assertEqual((function.name, function.line, function.length), ("add", 3, 5))

    def test_parameters(self):
        for text, count in {
            "void f(void) {}": 0, "void f() {}": 0, "int f(int a) { return a; }": 1,
            "void f(int a, char *b[2], void (*c)(int, int)) {}": 3,
            "void f(const char *format, ...) {}": 1,
            "void f(struct x *a, int b __attribute__((unused))) {}": 2,
        }.items():
            self.assertEqual(only(text).parameters, count, text)

    def test_braces_in_literals_and_comments(self):
        text = 'void f(void)\n{\n    g("{", \'{\'); // {\n    /* { */ h("\\"{");\n}\nint x;\n'
        self.assertEqual(only(text).length, 5)

    def test_what_is_no_function(self):
        for text in (
            "struct x { int (*call)(void); };", "enum { A = F(1), B };",
            "static const int x[] = {F(1), 2};", "struct x y = (struct x){1};", "int f(void);",
            "typedef int (*f_fn)(int);", "static int (*const table[])(void) = {f, g};",
            "#define F(x) { x }\n", 'extern char d[] __asm__("d");',
        ):
            self.assertEqual(functions.functions(text), [], text)

    def test_functions_behind_other_things(self):
        text = "struct x {\n int a;\n};\nstatic const int y[] = {1};\nstruct x *f(void)\n{\n}\n"
        self.assertEqual((only(text).name, only(text).line), ("f", 5))

    def test_attributes_and_name_macros(self):
        self.assertEqual(only("__attribute__((constructor)) static void f(void) {}").name, "f")
        self.assertEqual(only("PUBLIC int NAME(f)(int a) { return a; }").name, "NAME(f)")

    def test_preprocessor_branches(self):
        text = "void f(void)\n{\n#ifdef A\n    if (a) {\n#else\n    if (b) {\n#endif\n    }\n}\n"
        self.assertEqual(only(text).length, 9)
        both = "#ifdef A\nvoid f(void)\n{\n}\n#else\nvoid g(void)\n{\n}\n#endif\n"
        self.assertEqual([f.name for f in functions.functions(both)], ["f", "g"])

    def test_unbalanced(self):
        with self.assertRaises(functions.Unbalanced):
            functions.functions("void f(void) { if (x) { }")

    def test_nesting(self):
        for body, depth in {
            "a();": 0, "if (a) b(); else c();": 1, "if (a) b(); else if (c) d(); else e();": 1,
            "for (;;) if (a) b();": 2, "for (;;) { while (a) { if (b) c(); } }": 3,
            "do { if (a) b(); } while (c); d();": 2, "switch (a) { case 1: if (b) c(); break; }": 2,
            "{ { a(); } }": 0, "x = (struct y){.z = {1}}; if (x) f();": 1,
            "LIST_EACH(x, y) { if (x) z(); }": 2, "again: if (a) goto again;": 1,
        }.items():
            self.assertEqual(only("void f(void) {" + body + "}").nesting, depth, body)


class Sizes(unittest.TestCase):
    LIMITED = {("function", "a.c", "f"): (120, 100, 1), ("function", "a.c", "g"): (20, 100, 9)}

    def judge(self, waivers):
        return size_gate.judge(self.LIMITED, waivers)

    def test_waivers(self):
        key = ("function", "a.c", "f")
        self.assertEqual(len(self.judge({})), 1)
        self.assertEqual(self.judge({key: 120}), [])
        self.assertIn("exceeds its waiver", self.judge({key: 119})[0])
        self.assertIn("lower its waiver", self.judge({key: 121})[0])
        self.assertIn("remove", self.judge({key: 120, ("function", "a.c", "g"): 120})[0])
        self.assertIn("no such thing", self.judge({key: 120, ("file", "b.c", "-"): 900})[0])

    def test_waivers_need_reasons(self):
        self.assertEqual(size_gate.read_waivers("# x\nfile a.c - 9  # why\n"),
                         ({("file", "a.c", "-"): 9}, []))
        self.assertEqual(len(size_gate.read_waivers("file a.c - 9\nfile a.c 9 # why\n")[1]), 2)

    def test_measures(self):
        measures = size_gate.Measures()
        body = "    x();\n" * 70
        size_gate.measure_c(measures, Path("a.h"), f"void f(void)\n{{\n{body}}}\n{'/' * 101}\n")
        self.assertEqual(measures.found["function", "a.h", "f"], (73, 100, 1))
        self.assertEqual(measures.found["columns", "a.h", "-"], (101, 100, 74))
        self.assertEqual(measures.found["file", "a.h", "-"], (74, 200, 1))
        self.assertEqual(len(measures.warnings), 1)


class Includes(unittest.TestCase):
    TREE = {"appliance": {"err.h", "http.h", "http_priv.h", "worker.h", "request.h", "archive.h",
                          "config.h", "reactor.h", "new.h"},
            "embed": {"embed.h", "py.h"}}

    def wrong(self, path, text):
        return [include_gate.check_include(Path(path), kind, name, self.TREE)
                for _, kind, name in include_gate.includes(text)
                if include_gate.check_include(Path(path), kind, name, self.TREE)]

    def test_layers(self):
        self.assertEqual(self.wrong("appliance/worker.c", '#include "err.h"\n'), [])
        self.assertEqual(self.wrong("appliance/worker.c", '#include "http.h"\n'), [])
        self.assertEqual(self.wrong("appliance/archive.c", '# include "reactor.h"\n'), [])
        self.assertEqual(len(self.wrong("appliance/http_request.c", '#include "worker.h"\n')), 1)
        self.assertEqual(len(self.wrong("appliance/err.c", '#include "config.h"\n')), 1)
        self.assertEqual(len(self.wrong("appliance/worker.c", '#include "http_priv.h"\n')), 1)
        self.assertEqual(self.wrong("appliance/http_request.c", '#include "http_priv.h"\n'), [])
        self.assertIn("no layer", self.wrong("appliance/worker.c", '#include "new.h"\n')[0])
        self.assertIn("neither", self.wrong("appliance/worker.c", '#include "gone.h"\n')[0])

    def test_embed(self):
        self.assertEqual(self.wrong("appliance/main.c", '#include "embed.h"\n'), [])
        self.assertEqual(len(self.wrong("appliance/worker.c", '#include "embed.h"\n')), 1)
        self.assertEqual(len(self.wrong("appliance/main.c", '#include "py.h"\n')), 1)
        self.assertEqual(self.wrong("embed/wsgi.c", '#include "request.h"\n#include "py.h"\n'), [])
        self.assertEqual(len(self.wrong("embed/wsgi.c", '#include "config.h"\n')), 1)
        self.assertEqual(len(self.wrong("embed/wsgi.c", '#include "worker.h"\n')), 1)

    def test_reserved(self):
        self.assertEqual(self.wrong("embed/py.h", "#include <Python.h>\n"), [])
        self.assertEqual(len(self.wrong("appliance/log.c", "#include <Python.h>\n")), 1)
        self.assertEqual(self.wrong("appliance/http_response.c", "#include <microhttpd.h>\n"), [])
        self.assertEqual(len(self.wrong("appliance/http.h", "#include <microhttpd.h>\n")), 1)
        self.assertEqual(self.wrong("appliance/tls_cert.c", "#include <mbedtls/ssl.h>\n"), [])
        self.assertEqual(len(self.wrong("embed/wsgi.c", "#include <mbedtls/ssl.h>\n")), 1)
        self.assertEqual(self.wrong("embed/mod_ssl.c", "#include <mbedtls/ssl.h>\n"), [])

    def test_comments_are_no_includes(self):
        text = '/*\n#include "worker.h"\n*/\n// #include "worker.h"\n#include "err.h"\n'
        self.assertEqual(list(include_gate.includes(text)), [(5, '"', "err.h")])


class Exits(unittest.TestCase):
    def test_calls(self):
        text = 'exit(1);\n_exit (2);\nat_exit(3);\nlog("exit(4)"); // exit(5)\nx.exit;\n'
        self.assertEqual(list(exit_gate.calls(text)), [(1, "exit"), (2, "_exit")])

    def test_reasons(self):
        allowed, complaints = exit_gate.read_allowed("# c\na.c because\nb.c\n")
        self.assertEqual((allowed["a.c"], len(complaints)), ("because", 1))


class Words(unittest.TestCase):
    def test_bad(self):
        for text in ("TO" "DO later", "/* FIX" "ME */", "XX" "X", "see /wo" "rk/main", "<" * 7 + " a",
                     "deb." "debian.org", "https://py" "pi.org/simple", "'/wo" "rk/x'"):
            self.assertEqual(len(list(words_gate.complaints("a", text))), 1, text)

    def test_good(self):
        for text in ("mkstemp(\"/tmp/aXXXXXX\")", "$cache/work/a", "todos", "debian.example", "/works/",
                     "~/.cache/limpet/work/x", "======="):
            self.assertEqual(list(words_gate.complaints("a", text)), [], text)


class Options(unittest.TestCase):
    ROWS = ('// OPTION(KIND, ...)\nOPTION(STRING, host, "host", .help = "where (to listen)")\n'
            'OPTION(LIST, with_, "with-all",\n       .help = "")\n')
    README = "<!-- options: x -->\n\n| `--host` | \n| `--gone` |\n\n<!-- /options -->\n--with-all\n"

    def test_rows(self):
        self.assertEqual(list(option_gate.rows(self.ROWS)), ["host", "with-all"])

    def test_complaints(self):
        found = list(option_gate.check_rows(option_gate.rows(self.ROWS), self.README, ["--host x"]))
        self.assertEqual(len(found), 4, found)
        self.assertIn("with-all has no help", found[0])
        self.assertIn("with-all is not documented", found[1])
        self.assertIn("no test sets --with-all", found[2])
        self.assertIn("--gone is documented", found[3])

    def test_settings_in_tests(self):
        for text in ("--log-level=x", '["--log-level", "x"]', "LIMPET_LOG_LEVEL=1", "log-level = 1",
                     '"log-level"', "config.log_level"):
            self.assertTrue(option_gate.is_set_in("log-level", text), text)
        for text in ("--log-level-max", "log-level", "blog-level = 1", "LIMPET_LOG_LEVELS"):
            self.assertFalse(option_gate.is_set_in("log-level", text), text)

    def test_table(self):
        self.assertEqual(list(option_gate.check_table(self.README, "| `--host` | \n| `--gone` |")), [])
        self.assertEqual(len(list(option_gate.check_table(self.README, "| `--host` |"))), 1)
        self.assertEqual(len(list(option_gate.check_table("nothing", "| `--host` |"))), 1)


class Fuzzers(unittest.TestCase):
    def test_list(self):
        self.assertEqual(list(fuzz_gate.listed("# a\nx.c  a b # c\n\n")), [("x.c", ["a", "b"])])

    def test_all_is_there(self):
        good = {"parsers": [("x.c", ["a"])], "sources": {"x.c"}, "fuzzers": {"a"}, "seeds": {"a": 1},
                "offered": {"x_parse": ["x.c"]}}
        self.assertEqual(list(fuzz_gate.complaints(**good)), [])
        for change in ({"sources": {"y.c"}}, {"parsers": []}, {"parsers": [("x.c", [])]}, {"seeds": {}}, {"seeds": {"a": 0}},
                       {"seeds": {"a": 1, "b": 1}}, {"offered": {"y_parse": ["y.c"]}}, {"parsers": [("x.c", ["a", "b"])]}):
            self.assertEqual(len(list(fuzz_gate.complaints(**{**good, **change}))), 1, change)


class Blanking(unittest.TestCase):
    def test_same_shape(self):
        text = 'a /* b\nc */ "d\\"e" // f \\\n g\n\'"\' h\n'
        self.assertEqual(source.blank(text), 'a     \n     "    "       \n  \n\' \' h\n')


if __name__ == "__main__":
    unittest.main(verbosity=0)
