// test_watch_named.c - files and folders that are watched by name, and the links that lead to them.
#include "watched_folder.h"

// --- named files ---

static void test_named_file(void)
{
    fresh_folder();
    make("../settings");
    watch = open_on(".", "../settings/production.env");
    write_file("../settings/other.env");
    CHECK_UNCHANGED();
    write_file("../settings/production.env");
    CHECK_CONTAINS(changed(), "/settings/production.env");
    write_file("../settings/production.env.new");
    move("../settings/production.env.new", "../settings/production.env");
    CHECK_CONTAINS(changed(), "/settings/production.env");
    end();
    remove_all("settings");
}

static void test_named_file_in_the_folder(void)
{
    fresh_folder();
    watch = open_on(".", ".env");
    write_file(".env");
    CHECK_CHANGED(".env");
    write_file(".other");
    CHECK_UNCHANGED();
    end();
}

static void test_named_file_comes_with_its_folder(void)
{
    fresh_folder();
    make("settings");
    watch = open_on(".", "settings/.env");
    remove_all("settings");
    CHECK_UNCHANGED();
    make("settings");
    write_file("settings/.env");
    CHECK_CHANGED("settings/.env");
    write_file("settings/.env");
    CHECK_CHANGED("settings/.env");
    end();
}

static void test_only_a_file(void)
{
    fresh_folder();
    watch = open_on(NULL, "shop.zip");
    write_file("app.py");
    CHECK_UNCHANGED();
    write_file("shop.zip");
    CHECK_CONTAINS(changed(), "/shop/shop.zip");
    end();
}

// Its folder is not there: the rest is watched.
static void test_named_file_nowhere(void)
{
    fresh_folder();
    watch = open_on(".", "nowhere/.env");
    write_file("app.py");
    CHECK_CHANGED("app.py");
    end();
}

// A link counts, what it leads to, and what it leads to after that.
static void test_named_link(void)
{
    fresh_folder();
    make("archive");
    make("live");
    write_file("archive/1.pem");
    write_file("archive/2.pem");
    CHECK(symlink("../archive/1.pem", "live/chain.pem") == 0);
    watch = open_on(NULL, "live/chain.pem");
    write_file("archive/1.pem");
    CHECK_CONTAINS(changed(), "/archive/1.pem");
    write_file("archive/2.pem");
    CHECK_UNCHANGED();
    CHECK(unlink("live/chain.pem") == 0 && symlink("../archive/2.pem", "live/chain.pem") == 0);
    CHECK_CONTAINS(changed(), "/live/chain.pem");
    write_file("archive/2.pem");
    CHECK_CONTAINS(changed(), "/archive/2.pem");
    write_file("archive/1.pem");
    CHECK_UNCHANGED();
    end();
}

// As orchestrators mount secrets: the folder is changed by one rename of a link.
static void test_named_file_behind_a_linked_folder(void)
{
    fresh_folder();
    make("1");
    make("2");
    write_file("1/tls.crt");
    CHECK(symlink("1", "data") == 0 && symlink("data/tls.crt", "tls.crt") == 0);
    watch = open_on(NULL, "tls.crt");
    CHECK(symlink("2", "data.new") == 0);
    CHECK_UNCHANGED();
    move("data.new", "data");
    CHECK_CONTAINS(changed(), "/shop/data");
    write_file("2/tls.crt");
    CHECK_CONTAINS(changed(), "/2/tls.crt");
    CHECK(unlink("data") == 0 && symlink("1", "data") == 0);
    CHECK_CONTAINS(changed(), "/shop/data");
    write_file("1/tls.crt");
    CHECK_CONTAINS(changed(), "/1/tls.crt");
    end();
}

static void test_named_links_in_a_circle(void)
{
    fresh_folder();
    CHECK(symlink("b", "a") == 0 && symlink("a", "b") == 0);
    watch = open_on(NULL, "a");
    CHECK(unlink("b") == 0);
    CHECK_CONTAINS(changed(), "/shop/b");
    write_file("b");
    CHECK_CONTAINS(changed(), "/shop/b");
    end();
}

static void test_named_file_whose_folder_comes(void)
{
    fresh_folder();
    watch = open_on(NULL, "nowhere/yet/.env");
    make("nowhere");
    CHECK_CONTAINS(changed(), "/shop/nowhere");
    make("nowhere/yet");
    CHECK_CONTAINS(changed(), "/shop/nowhere/yet");
    write_file("nowhere/yet/.env");
    CHECK_CONTAINS(changed(), "/nowhere/yet/.env");
    write_file("nowhere/other");
    CHECK_UNCHANGED();
    end();
}

// certbot's live: a new name, files in it, and one that goes.
static void test_named_folder(void)
{
    fresh_folder();
    make("live");
    make("live/old");
    watch = open_on(NULL, "live/");
    write_file("app.py");
    CHECK_UNCHANGED();
    write_file("live/old/chain.pem");
    CHECK_CONTAINS(changed(), "/live/old/chain.pem");
    make("live/new");
    CHECK_CONTAINS(changed(), "/live/new");
    CHECK(symlink("../old/chain.pem", "live/new/chain.pem") == 0);
    CHECK_CONTAINS(changed(), "/live/new/chain.pem");
    make("live/new/deep");
    CHECK_CONTAINS(changed(), "/live/new/deep");
    write_file("live/new/deep/x");
    CHECK_UNCHANGED();
    move("live/new", "live/newer");
    CHECK_CONTAINS(changed(), "/live/new");
    write_file("live/newer/key.pem");
    CHECK_CONTAINS(changed(), "/live/newer/key.pem");
    remove_all("live/newer");
    CHECK_CONTAINS(changed(), "/live/newer");
    end();
}

static void test_named_folder_is_replaced(void)
{
    fresh_folder();
    make("live");
    watch = open_on(NULL, "live");
    remove_all("live");
    CHECK_CONTAINS(changed(), "/shop/live");
    make("live");
    make("live/new");
    CHECK_CONTAINS(changed(), "/shop/live");
    write_file("live/new/chain.pem");
    CHECK_CONTAINS(changed(), "/live/new/chain.pem");
    end();
}

static const struct unit_case cases[] = {
    UNIT_CASE(test_named_file),
    UNIT_CASE(test_named_file_in_the_folder),
    UNIT_CASE(test_named_file_comes_with_its_folder),
    UNIT_CASE(test_only_a_file),
    UNIT_CASE(test_named_file_nowhere),
    UNIT_CASE(test_named_link),
    UNIT_CASE(test_named_file_behind_a_linked_folder),
    UNIT_CASE(test_named_links_in_a_circle),
    UNIT_CASE(test_named_file_whose_folder_comes),
    UNIT_CASE(test_named_folder),
    UNIT_CASE(test_named_folder_is_replaced),
};

int main(void)
{
    if (mkdtemp(base) == NULL)
        return 1;
    int status = unit_main("watch_named", cases, UNIT_COUNT(cases));
    remove_all(base);
    return status;
}
