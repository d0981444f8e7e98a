// test_tls_object.c - the table of object identifiers, and identifiers that are not in it.
#include "tls_object.h"

#include "unit.h"

static void test_the_table_is_sorted(void)
{
    int seen = 0, last = 0;
    for (int number = 0; number < 2000; number++) {
        const struct tls_object *object = tls_object_by_number(number);
        if (object == NULL)
            continue;
        CHECK(object->number == number && number > last);
        CHECK(tls_object_by_text(object->dotted, false) == object);
        last = number;
        seen++;
    }
    CHECK(seen > 500);
    CHECK(tls_object_by_number(-1) == NULL && tls_object_by_number(1 << 30) == NULL);
}

static void test_names(void)
{
    const struct tls_object *object = tls_object_by_number(129);
    CHECK_STR(object->short_name, "serverAuth");
    CHECK_STR(object->long_name, "TLS Web Server Authentication");
    CHECK_STR(object->dotted, "1.3.6.1.5.5.7.3.1");
    CHECK(tls_object_by_text("serverAuth", true) == object);
    CHECK(tls_object_by_text("TLS Web Server Authentication", true) == object);
    CHECK(tls_object_by_text("1.3.6.1.5.5.7.3.1", true) == object);
    CHECK(tls_object_by_text("1.3.6.1.5.5.7.3.1", false) == object);
    CHECK(tls_object_by_text("serverAuth", false) == NULL);
    CHECK(tls_object_by_text("serverauth", true) == NULL);
    CHECK(tls_object_by_text("", true) == NULL);
}

static void test_by_der(void)
{
    CHECK_STR(tls_object_by_der(STR("\x55\x04\x03"))->long_name, "commonName");
    CHECK_STR(tls_object_by_der(STR("\x2a\x86\x48\xce\x3d\x03\x01\x07"))->short_name, "prime256v1");
    CHECK(tls_object_by_der(STR("\x55\x04\x7f")) == NULL);
    CHECK(tls_object_by_der(STR("")) == NULL);
    CHECK(tls_object_by_der(STR("\x55\x84")) == NULL);
}

static const char *dotted(struct str oid)
{
    static char out[100];
    return tls_object_dotted(oid, out, sizeof out) ? out : "none";
}

static void test_dotted(void)
{
    CHECK_STR(dotted(STR("\x00")), "0.0");
    CHECK_STR(dotted(STR("\x27\x01")), "0.39.1");
    CHECK_STR(dotted(STR("\x28")), "1.0");
    CHECK_STR(dotted(STR("\x4f")), "1.39");
    CHECK_STR(dotted(STR("\x50")), "2.0");
    CHECK_STR(dotted(STR("\x78")), "2.40");
    CHECK_STR(dotted(STR("\x88\x37\x03")), "2.999.3");
    CHECK_STR(dotted(STR("\x2a\x8f\xff\xff\xff\x7f")), "1.2.4294967295");
    // 2 to the 64th, and to the 128th, which no machine word holds.
    CHECK_STR(dotted(STR("\x2a\x82\x80\x80\x80\x80\x80\x80\x80\x80\x00")),
              "1.2.18446744073709551616");
    CHECK_STR(dotted(STR("\x84\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"
                         "\x00")),
              "2.340282366920938463463374607431768211376");
}

static void test_no_identifier(void)
{
    static char many[600]; // of zeros: numbers, but too many of them
    char small[8];
    CHECK_STR(dotted(STR("")), "none");
    CHECK_STR(dotted(STR("\x2a\x86")), "none");     // it goes on
    CHECK_STR(dotted(STR("\x2a\x80\x01")), "none"); // a zero in front
    CHECK_STR(dotted(STR("\x80\x01")), "none");
    CHECK_STR(dotted((struct str){many, sizeof many}), "none");
    CHECK(tls_object_dotted(STR("\x2a\x03\x04\x05"), small, sizeof small) == false);
    CHECK(tls_object_dotted(STR("\x2a\x03\x04"), small, sizeof small) == true);
    CHECK_STR(small, "1.2.3.4");
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_the_table_is_sorted),
    UNIT_CASE(test_names),
    UNIT_CASE(test_by_der),
    UNIT_CASE(test_dotted),
    UNIT_CASE(test_no_identifier),
};

int main(void)
{
    return unit_main("tls_object", cases, UNIT_COUNT(cases));
}
