"""`elevenphone completion`: the script that lets a shell complete commands, options and files."""

from __future__ import annotations

import click
from click.shell_completion import (
    CompletionItem,
    ShellComplete,
    add_completion_class,
    get_completion_class,
)

from elevenphone.cli.shell import Shell

VARIABLE = "_ELEVENPHONE_COMPLETE"
"""The environment variable by which a shell asks for completions."""

# In PowerShell a variable set to nothing may be deleted, and an empty argument lost, so that the
# words are joined. Its own completion of files knows how to quote a path.
_POWERSHELL = """\
Register-ArgumentCompleter -Native -CommandName %(prog_name)s -ScriptBlock {
    param($word, $line, $cursor)
    $command = $line.GetCommandName()
    $words = @($line.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursor } | ForEach-Object {
        if ($_ -is [System.Management.Automation.Language.StringConstantExpressionAst]) { $_.Value }
        else { $_.Extent.Text }
    }) + $word
    $exitCode = Get-Variable LASTEXITCODE -Scope Global -ValueOnly -ErrorAction Ignore
    try {
        $env:%(complete_var)s = "powershell_complete"
        $env:_ELEVENPHONE_WORDS = $words -join "`n"
        $found = @(& $command 2>$null)
    } finally {
        $env:%(complete_var)s = $env:_ELEVENPHONE_WORDS = $null
        $global:LASTEXITCODE = $exitCode
    }
    if ($found -contains "file") { return }  # without a result, PowerShell completes files
    if (-not $found) { return "" }  # nothing, and no files either
    $found | ForEach-Object {
        $value, $help = $_ -split "`t", 2
        [System.Management.Automation.CompletionResult]::new($value, $value, "ParameterValue", $help)
    }
}
"""


class _PowerShellComplete(ShellComplete):
    """Completion for PowerShell; click 8.5 has its own, which reads a line as a POSIX shell does."""

    name = "powershell"
    source_template = _POWERSHELL

    def get_completion_args(self) -> tuple[list[str], str]:
        """Read the words before the cursor, and the one that is being written."""
        from os import environ  # noqa: PLC0415 - click gives the variables to nobody

        _, *words, word = environ["_ELEVENPHONE_WORDS"].split("\n")
        return words, word.strip("'\"")

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        """Find what the word may become; PowerShell replaces all of it, `--format=` too."""
        option, equals, _ = incomplete.partition("=")
        start = option + equals if equals and option.startswith("-") else ""
        return [
            CompletionItem(start + item.value, item.type, item.help)
            for item in super().get_completions(args, incomplete)
        ]

    def format_completion(self, item: CompletionItem) -> str:
        """Write a value and its help, with a tab in between; or that files are wanted."""
        if item.type != "plain":
            return "file"
        return f"{item.value}\t{' '.join((item.help or item.value).split())}"


add_completion_class(_PowerShellComplete)


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish", "powershell"]))
@click.pass_obj
def command(surroundings: Shell, *, shell: str) -> int:
    """Print the script that lets a shell complete commands.

    Options and files are completed too.

    \b
    Examples:
      elevenphone completion bash > ~/.local/share/bash-completion/completions/elevenphone
      elevenphone completion fish > ~/.config/fish/completions/elevenphone.fish
      eval "$(elevenphone completion zsh)"     in ~/.zshrc
      elevenphone completion powershell | Out-String | Invoke-Expression     in $PROFILE
    """  # noqa: D301 - click wants the character itself
    completion = get_completion_class(shell)
    assert completion is not None  # noqa: S101 - the choices are those that click knows, and ours
    root = click.get_current_context().find_root()
    source = completion(root.command, {}, "elevenphone", VARIABLE).source()
    surroundings.output.write(f"{source}\n")
    return 0
