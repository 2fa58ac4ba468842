"""The group of commands, and the one place where exceptions become exit codes."""

from __future__ import annotations

import errno
import textwrap
from collections.abc import Iterable

import click
from click.shell_completion import shell_complete

from elevenphone import __version__
from elevenphone.cli.commands import completion, doctor, emulator, fetch, get, listing, verbose_option
from elevenphone.cli.errors import ExitCode, exit_code_of, explained
from elevenphone.cli.shell import Shell
from elevenphone.errors import ElevenPhoneError

_WIDEST_HELP = 80
_WIDTH_FOR_COLUMNS = 60
_LONGEST_SUMMARY = 100


class _HelpFormatter(click.HelpFormatter):
    """Breaks no word, such as a URL; in a narrow terminal, each meaning stands below a long name."""

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Write names and their meanings side by side."""
        rows = list(rows)
        longest = max(len(name) for name, _ in rows)
        col_max = min(col_max, self.width // 3)
        if longest > col_max and self.width < _WIDTH_FOR_COLUMNS:
            col_max = 4
        column = self.current_indent + min(longest, col_max) + col_spacing
        for name, meaning in rows:
            beginning = f"{'':{self.current_indent}}{name}"
            if len(beginning) + col_spacing > column:
                self.write(f"{beginning}\n")
                beginning = ""
            text = textwrap.fill(
                meaning,
                self.width,
                initial_indent=f"{beginning:<{column}}",
                subsequent_indent=" " * column,
                break_long_words=False,
                break_on_hyphens=False,
            )
            self.write(f"{text}\n")


class _Context(click.Context):
    formatter_class = _HelpFormatter


class _Group(click.Group):
    """The commands, in the order in which a newcomer needs them."""

    context_class = _Context

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """List the commands, with what they do in whole sentences."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, command.get_short_help_str(_LONGEST_SUMMARY))
                    for name, command in self.commands.items()
                ]
            )

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """List the exit codes, after the commands."""
        with formatter.section("Exit codes"):
            codes = "; ".join(f"{int(code)} {code.meaning}" for code in ExitCode)
            formatter.write_text(codes)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
@verbose_option
@click.pass_context
def elevenphone(ctx: click.Context, *, verbose: bool) -> None:
    """Look ElevenLabs phone numbers up, with the key of ELEVENLABS_API_KEY."""
    ctx.default_map = {name: {"verbose": verbose} for name in elevenphone.commands}


for _command in (
    *(fetch.demo_command, get.command, listing.find_command, listing.list_command, fetch.command),
    *(doctor.command, emulator.command, completion.command),
):
    _command.context_class = _Context
    elevenphone.add_command(_command)


def run(shell: Shell) -> ExitCode:
    """Run the command line, and turn whatever it raises into a message and an exit code."""
    try:
        if instruction := shell.environment.get(completion.VARIABLE):
            return _complete(instruction)
        code = _run(shell)
        shell.flush()
    except (Exception, KeyboardInterrupt) as error:
        return _ended_by(shell, error)
    return code


def _complete(instruction: str) -> ExitCode:
    try:
        return ExitCode(shell_complete(elevenphone, {}, "elevenphone", completion.VARIABLE, instruction))
    except (KeyError, ValueError):  # no shell asks: the words to complete are missing
        return ExitCode.USAGE


def _run(shell: Shell) -> ExitCode:
    """Do what `click.Group.main` does, which would decide the exit code of some endings by itself."""
    width = min(shell.width, _WIDEST_HELP) - 2
    try:
        with elevenphone.make_context(
            "elevenphone", list(shell.arguments), obj=shell, terminal_width=width
        ) as context:
            return ExitCode(elevenphone.invoke(context))
    except click.exceptions.Exit as ended:  # after the help or the version
        return ExitCode(ended.exit_code)


def _ended_by(shell: Shell, error: BaseException) -> ExitCode:
    """Say what ended the command, and what was added to the error on its way here."""
    code = exit_code_of(error)
    match error:
        case BrokenPipeError():
            shell.discard_output()
            return code
        case KeyboardInterrupt():
            if shell.errors.isatty():  # which shows ^C there
                shell.errors.write("\n")
            message = "interrupted"
        case click.exceptions.NoArgsIsHelpError():
            shell.errors.write(f"{error.message}\n")
            return code
        case click.ClickException():
            if isinstance(error, click.UsageError) and error.ctx is not None:
                help_ = f"Try '{error.ctx.command_path} --help' for help."
                shell.errors.write(f"{error.ctx.get_usage()}\n{help_}\n\n")
            message = error.format_message().expandtabs(2)
        case ElevenPhoneError():
            message = explained(error)
        case OSError() if error.errno in {errno.EMFILE, errno.ENFILE}:
            message = f"{error.strerror}: raise the limit, such as by `ulimit -n 1024`"
        case OSError():
            shell.discard_output()
            name = "" if error.filename is None else f" '{error.filename}'"
            message = f"cannot write{name}: {error.strerror or error}"
        case _:  # an OutputError: `exit_code_of` lets no other pass
            message = str(error)
    for text in (f"elevenphone: {message}", *getattr(error, "__notes__", ())):
        shell.say(text)
    return code
