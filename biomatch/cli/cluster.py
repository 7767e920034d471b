"""``biomatch cluster``: searching on many machines with Ray."""

import click

from biomatch.cli.options import examples

__all__ = ["cluster"]


@click.group(
    epilog=examples(
        "biomatch cluster up",
        "biomatch cluster up --address 10.0.0.5:6379",
        "biomatch cluster status",
        "biomatch cluster down",
    )
)
def cluster() -> None:
    """Start, join, look at and stop a Ray cluster (extra "cluster").

    Every machine must see the index folder under the same path and have the
    same token, in RAY_AUTH_TOKEN or ~/.ray/auth_token ("up" draws one where
    there is none): whoever reaches a Ray port can run code there.
    """


@cluster.command(epilog=examples("biomatch cluster up", "biomatch cluster up --cpus 8"))
@click.option("--address", metavar="HOST:PORT", help="Join the cluster there (default: start one).")
@click.option("--port", type=click.IntRange(1, 65535), default=6379, help="Port of the head.")
@click.option("--cpus", type=click.IntRange(1), help="Cores to offer (default: all).")
def up(*, address: str | None, port: int, cpus: int | None) -> None:
    """Start a cluster on this machine, or join one."""
    from biomatch.search import node

    click.echo(node.up(address=address, port=port, cpus=cpus))


@cluster.command(epilog=examples("biomatch cluster status --address 10.0.0.5:6379"))
@click.option("--address", metavar="HOST:PORT", help="The cluster (default: this machine's).")
def status(*, address: str | None) -> None:
    """Show the nodes and resources of a cluster."""
    from biomatch.search import node

    click.echo(node.status(address))


@cluster.command(epilog=examples("biomatch cluster down"))
def down() -> None:
    """Stop what "up" started on this machine, and no other Ray."""
    from biomatch.search import node

    click.echo(node.down())
