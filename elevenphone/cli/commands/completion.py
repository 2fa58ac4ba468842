"""`elevenphone completion`: the script that lets a shell complete commands, options and files."""

from __future__ import annotations

import click
from click.shell_completion import (
    CompletionItem,
    ShellComplete,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

from elevenphone.cli.shell import Shell

VARIABLE = "_ELEVENPHONE_COMPLETE"
"""The environment variable by which a shell asks for completions."""

_POWERSHELL = """\
Register-ArgumentCompleter -Native -CommandName %(prog_name)s -ScriptBlock {
    param($word, $line, $cursor)
    $env:%(complete_var)s = "powershell_complete"
    $before = [Math]::Min($cursor - $line.Extent.StartOffset, $line.Extent.Text.Length)
    $env:COMP_LINE = $line.Extent.Text.Substring(0, $before)
    $env:COMP_WORD = $word
    try {
        %(prog_name)s | ForEach-Object {
            $kind, $value, $help = $_ -split "`t", 3
            if ($kind -eq "plain") {
                [System.Management.Automation.CompletionResult]::new($value, $value, "ParameterValue", $help)
            } else {
                Get-ChildItem "$word*" | ForEach-Object {
                    $path = Resolve-Path -Relative $_.FullName
                    [System.Management.Automation.CompletionResult]::new($path, $path, "ProviderItem", $path)
                }
            }
        }
    } finally {
        Remove-Item env:%(complete_var)s, env:COMP_LINE, env:COMP_WORD -ErrorAction SilentlyContinue
    }
}
"""


class _PowerShellComplete(ShellComplete):
    """Completion for PowerShell, which click lacks."""

    name = "powershell"
    source_template = _POWERSHELL

    def get_completion_args(self) -> tuple[list[str], str]:
        """Read the words before the cursor, and the one that is being written."""
        from os import environ  # noqa: PLC0415 - click gives the variables to nobody

        word = environ.get("COMP_WORD", "")  # PowerShell deletes a variable that is set to nothing
        words = split_arg_string(environ["COMP_LINE"])[1:]
        return (words[:-1] if word and words else words), word

    def format_completion(self, item: CompletionItem) -> str:
        """Write a kind, a value and its help, with tabs in between."""
        return f"{item.type}\t{item.value}\t{item.help or item.value}"


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
