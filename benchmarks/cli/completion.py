"""`completion`: the shell script with which Tab completes commands, options and names.

argcomplete's own script stands for programs with a name of their own; this one is for `python -m benchmarks`, and
leaves everything else that python is called for to the shell's files.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.cli.options import Subcommands, add_always
from benchmarks.exit_codes import FINE

SCRIPTS = {
    "bash": r"""_recallbench() {
    COMPREPLY=()
    if [[ "${COMP_WORDS[1]}" == -m && "${COMP_WORDS[2]}" == benchmarks && $COMP_CWORD -gt 2 ]]; then
        local IFS=$'\013'
        COMPREPLY=($(IFS="$IFS" COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" COMP_TYPE="$COMP_TYPE" \
            _ARGCOMPLETE_COMP_WORDBREAKS="$COMP_WORDBREAKS" _ARGCOMPLETE=3 _ARGCOMPLETE_SHELL=bash \
            _ARGCOMPLETE_SUPPRESS_SPACE=1 \
            "$1" -m benchmarks 8>&1 9>/dev/null 1>/dev/null 2>/dev/null </dev/null))
        [[ "${COMPREPLY-}" =~ [=/:]$ ]] && compopt -o nospace 2>/dev/null
    fi
}
complete -o bashdefault -o default -F _recallbench python python3
""",
    "zsh": r"""_recallbench() {
    if [[ "${words[2]}" == -m && "${words[3]}" == benchmarks && $CURRENT -gt 3 ]]; then
        local IFS=$'\013'
        local completions
        completions=($(IFS="$IFS" COMP_LINE="$BUFFER" COMP_POINT="$CURSOR" _ARGCOMPLETE=3 _ARGCOMPLETE_SHELL=zsh \
            _ARGCOMPLETE_SUPPRESS_SPACE=1 \
            "${words[1]}" -m benchmarks 8>&1 9>/dev/null 1>/dev/null 2>/dev/null </dev/null))
        _describe benchmarks completions
    else
        _files
    fi
}
compdef _recallbench python python3
""",
}


def add(subcommands: Subcommands) -> None:
    command = subcommands.add_parser("completion", help="print the script for completion with Tab, see its --help")
    command.description = 'Put this into ~/.bashrc (or .zshrc): eval "$(python -m benchmarks completion bash)"'
    command.add_argument("shell", choices=SCRIPTS, metavar="SHELL", help=" or ".join(SCRIPTS))
    add_always(command, call)


def call(options: argparse.Namespace) -> int:
    """Prints the script of that shell."""
    sys.stdout.write(SCRIPTS[options.shell])
    return FINE
