"""`elevenphone completion`: what makes a shell complete commands, options and files."""

from __future__ import annotations

import click


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(*, shell: str) -> int:
    """Print what makes a shell complete commands.

    Options and files are completed too.

    \b
    Examples:
      elevenphone completion bash > ~/.local/share/bash-completion/completions/elevenphone
      elevenphone completion fish > ~/.config/fish/completions/elevenphone.fish
      eval "$(elevenphone completion zsh)"     in ~/.zshrc
    """  # noqa: D301 - click wants the character itself
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - start-up is for everybody

    completion = get_completion_class(shell)
    root = click.get_current_context().find_root()
    if completion is None:
        raise click.UsageError(f"nothing is known of the shell {shell!r}.")
    click.echo(completion(root.command, {}, "elevenphone", "_ELEVENPHONE_COMPLETE").source())
    return 0
