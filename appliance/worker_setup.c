// worker_setup.c - the settings as a runtime takes them: for workers, and for "check", which loads
// an application as they do.
#include "config.h"
#include "worker.h"

struct runtime_setup worker_runtime_setup(const char *name, const struct config *config,
                                          const struct archive *archive)
{
    return (struct runtime_setup){
        .name = name,
        .target = config->target,
        .factory = config->factory,
        .interface = config->interface.name,
        .mounts = config->mount.items,
        .mount_count = config->mount.count,
        .working_folder = config->working_dir,
        .path_prefix = config->url_path_prefix,
        .env_files = config->env_files.items,
        .env_file_count = config->env_files.count,
        .archive = archive,
        .workers = (unsigned)config->workers,
        .threads = (unsigned)config->blocking_threads,
    };
}
