"""Completion of limpet's command line for bash, zsh and fish, of the binary's own help (commands.py).

What a value is completed with follows from the table of options: its choices, or from its metavar the files, folders, users
or groups of the machine.
"""

FILES, FOLDERS, USERS, GROUPS, MAPPED, ANYTHING = "files", "folders", "users", "groups", "mapped", ""

# MAPPED: a folder behind an equals sign (PREFIX=FOLDER).
KINDS = {"FILE": FILES, "PATH": FILES, "PLACE": FILES, "SRC": FOLDERS, "FOLDER": FOLDERS, "USER": USERS,
         "GROUP": GROUPS, "PREFIX=FOLDER": MAPPED, "TARGET": FILES}

# What the first argument of a command is, where its usage says no words for it.
ARGUMENTS = {"serve": FILES, "check": FILES, "pack": FOLDERS, "inspect": FILES, "python": FILES}


def values_of(option):
    """The words that its value may be: its choices, or "auto" for numbers that may be left to limpet."""
    return option.choices or (("auto",) if "auto" in option.limits.split(", ") else ())


def kind_of(option):
    return KINDS.get(option.metavar, ANYTHING)


def words_of(command, commands):
    """What the first argument of a command may be, as words."""
    if command.name == "help":
        return [*(other.name for other in commands), "options"]
    return command.words


def options_of(command, options):
    return [option for option in options if command.name in option.commands and option.names]


def all_names(option):
    return [*option.names, *([option.negation] if option.negation else [])]


def distinct(options):
    return [option for option in options if option.names]


# --- bash ---

BASH = r"""# bash completion of limpet(1), of the table of options in the binary. Needs nothing of the bash-completion package.

# Words of $1 (a line each) that the word under the cursor begins.
_limpet_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur"); }

_limpet_paths() { # -f: files, -d: folders
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen "$1" -- "$cur")
}

# What the value of option $1 may be; 1: it has none.
_limpet_value() {
    case $1 in
%(values)s
        *) return 1 ;;
    esac
}

_limpet_options() {
    case $1 in
%(options)s
    esac
}

_limpet_argument() {
    case $1 in
%(arguments)s
    esac
}

_limpet() {
    local cur prev command="" before="" i
    COMPREPLY=()
    # "--name=value" comes as three words, or as one where "=" does not break words.
    cur=${COMP_WORDS[COMP_CWORD]}
    prev=${COMP_WORDS[COMP_CWORD - 1]}
    command=${COMP_WORDS[1]}
    if [ "$COMP_CWORD" = 1 ]; then
        _limpet_words "%(commands)s --help --version"
        return
    fi
    if [ "$cur" = "=" ]; then
        cur=""
    elif [ "$prev" = "=" ] && [ "$COMP_CWORD" -gt 3 ]; then
        prev=${COMP_WORDS[COMP_CWORD - 2]}
    elif [[ $cur == --*=* ]]; then
        prev=${cur%%%%=*}
        before=$prev=
        cur=${cur#*=}
    fi
    # PREFIX=FOLDER: the folder stands two words behind its option's "=".
    if [[ $prev != -* ]] && [ "$COMP_CWORD" -gt 4 ] && [ "${COMP_WORDS[COMP_CWORD - 1]}" = "=" ]; then
        prev=${COMP_WORDS[COMP_CWORD - 3]}
        [ "$prev" != "=" ] || prev=${COMP_WORDS[COMP_CWORD - 4]}
    fi
    if [[ $prev == -* ]] && _limpet_value "$prev"; then
        for i in "${!COMPREPLY[@]}"; do COMPREPLY[i]=$before${COMPREPLY[i]}; done
        return
    fi
    if [[ $cur == -* ]]; then
        _limpet_words "$(_limpet_options "$command")"
        return
    fi
    _limpet_argument "$command"
}

complete -F _limpet limpet
"""

BASH_KINDS = {FILES: "_limpet_paths -f", FOLDERS: "_limpet_paths -d", MAPPED: "_limpet_paths -d",
              USERS: 'mapfile -t COMPREPLY < <(compgen -u -- "$cur")',
              GROUPS: 'mapfile -t COMPREPLY < <(compgen -g -- "$cur")', ANYTHING: ":"}


def bash(commands, options):
    """The file for /usr/share/bash-completion/completions."""
    values, rows, arguments = [], [], []
    for option in distinct(options):
        if not option.is_switch:
            words = values_of(option)
            action = f'_limpet_words "{" ".join(words)}"' if words else BASH_KINDS[kind_of(option)]
            values.append(f"        {' | '.join(option.names)}) {action} ;;")
    for command in commands:
        names = [name for option in options_of(command, options) for name in all_names(option)]
        rows.append(f'        {command.name}) echo "{" ".join(names)}" ;;')
        words = words_of(command, commands)
        if words or command.name in ARGUMENTS:
            action = f'_limpet_words "{" ".join(words)}"' if words else BASH_KINDS[ARGUMENTS[command.name]]
            arguments.append(f"        {command.name}) {action} ;;")
    return BASH % {"values": "\n".join(values), "options": "\n".join(rows), "arguments": "\n".join(arguments),
                   "commands": " ".join(command.name for command in commands)}


# --- zsh ---

ZSH_KINDS = {FILES: "_files", FOLDERS: "_files -/", MAPPED: "_limpet_mapped", USERS: "_users", GROUPS: "_groups",
             ANYTHING: " "}

ZSH = r"""#compdef limpet
# zsh completion of limpet(1), of the table of options in the binary.

_limpet_mapped() {
    if compset -P 1 '*='; then _files -/; else _message 'PREFIX=FOLDER'; fi
}

_limpet_commands() {
    local -a commands=(
%(commands)s
    )
    _describe -t commands command commands
}

_limpet() {
    local curcontext=$curcontext state line
    typeset -A opt_args
    _arguments -C '(- *)'{-h,--help}'[print the commands, and end]' '(- *)--version[print the versions, and end]' \
        '1:command:_limpet_commands' '*::argument:->rest' && return
    [[ $state == rest ]] || return 1
    case $words[1] in
%(cases)s
    esac
}

_limpet "$@"
"""


def zsh_quoted(words):
    """In single quotes, where brackets and colons are _arguments' own."""
    escaped = words.replace("\\", "\\\\")
    for sign in ":[]":
        escaped = escaped.replace(sign, "\\" + sign)
    return escaped.replace("'", "'\\''")


def zsh_value(option):
    words = values_of(option)
    what = f"({' '.join(words)})" if words else ZSH_KINDS[kind_of(option)]
    return f":{zsh_quoted(option.metavar or 'choice')}:{what}"


def zsh_option(option):
    """Its specification for _arguments: one a name, which exclude each other unless it may be repeated."""
    names = all_names(option)
    for name in names:
        others = "*" if option.is_repeatable else f"({' '.join(names)})" if len(names) > 1 else ""
        about = f"[{zsh_quoted(option.meaning)}]"
        if option.is_switch:
            yield f"'{others}{name}{about}'"
        elif option.is_optional:
            yield f"'{others}{name}=-{about}:{zsh_value(option)}'"
        else:
            yield f"'{others}{name}{'=' if name.startswith('--') else '+'}{about}{zsh_value(option)}'"


def zsh_case(command, commands, options):
    specifications = [word for option in options_of(command, options) for word in zsh_option(option)]
    words = words_of(command, commands)
    if words:
        specifications.append(f"'1:argument:({' '.join(words)})'")
    elif command.name in ARGUMENTS:
        specifications.append(f"'1:{command.usage.split()[0].strip('[].').lower()}:{ZSH_KINDS[ARGUMENTS[command.name]]}'")
    rows = " \\\n                ".join(specifications)
    return f"        {command.name})\n            _arguments \\\n                {rows}\n            ;;"


def zsh(commands, options):
    """The file _limpet for a folder of fpath."""
    rows = [f"        '{command.name}:{zsh_quoted(command.summary)}'" for command in commands]
    cases = [zsh_case(command, commands, options) for command in commands
             if options_of(command, options) or words_of(command, commands) or command.name in ARGUMENTS]
    return ZSH % {"commands": "\n".join(rows), "cases": "\n".join(cases)}


# --- fish ---

FISH = r"""# fish completion of limpet(1), of the table of options in the binary.

# Whether the command so far is $argv.
function __limpet_is
    set -l words (commandline -opc)
    test (count $words) -gt 1; and contains -- $words[2] $argv
end

# Whether its first argument is still to come.
function __limpet_begins
    test (count (commandline -opc)) -eq 2; and __limpet_is $argv
end

function __limpet_mapped
    set -l word (commandline -ct)
    string match -q -- '*=*' $word; or return
    set -l prefix (string replace -r '=[^=]*$' '=' -- $word)
    for folder in (__fish_complete_directories (string replace -r '^.*=' '' -- $word) '')
        echo $prefix$folder
    end
end

complete -c limpet -f
"""

FISH_KINDS = {FILES: "-r -F", FOLDERS: "-x -a '(__fish_complete_directories)'", MAPPED: "-x -a '(__limpet_mapped)'",
              USERS: "-x -a '(__fish_complete_users)'", GROUPS: "-x -a '(__fish_complete_groups)'", ANYTHING: "-x"}


def fish_quoted(words):
    return "'" + words.replace("\\", "\\\\").replace("'", "\\'") + "'"


def fish_option(option):
    head = f"complete -c limpet -n '__limpet_is {' '.join(option.commands)}'"
    about = f"-d {fish_quoted(option.meaning)}"
    words = values_of(option)
    value = "" if option.is_switch else f" -x -a '{' '.join(words)}'" if words else f" {FISH_KINDS[kind_of(option)]}"
    if option.is_optional:
        value = ""
    names = "".join(f" -s {name[1:]}" if len(name) == 2 else f" -l {name[2:]}" for name in option.names)
    yield f"{head}{names}{value} {about}"
    if option.negation:
        yield f"{head} -l {option.negation[2:]} {about}"


def fish(commands, options):
    """The file limpet.fish."""
    rows = [f"complete -c limpet -n __fish_use_subcommand -a {command.name} -d {fish_quoted(command.summary)}"
            for command in commands]
    rows += ["complete -c limpet -n __fish_use_subcommand -s h -l help -d 'print the commands, and end'",
             "complete -c limpet -n __fish_use_subcommand -l version -d 'print the versions, and end'"]
    for command in commands:
        words = words_of(command, commands)
        if words:
            rows.append(f"complete -c limpet -n '__limpet_begins {command.name}' -x -a '{' '.join(words)}'")
    for kind, value in ((FILES, "-F"), (FOLDERS, "-x -a '(__fish_complete_directories)'")):
        names = " ".join(name for name, wanted in ARGUMENTS.items() if wanted == kind)
        rows.append(f"complete -c limpet -n '__limpet_is {names}' {value}")
    rows += [row for option in distinct(options) for row in fish_option(option)]
    return FISH + "\n".join(rows) + "\n"
