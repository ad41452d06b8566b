"""Without -i, use the inventory of the environment that `-e env=…` names."""

from __future__ import annotations

from pathlib import Path

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.plugins.loader import inventory_loader, vars_loader
from ansible.utils.vars import load_extra_vars

DOCUMENTATION = """
    name: by_env
    short_description: The inventory of the environment that an extra variable names
    description:
      - Reads hosts.ini and group_vars of the folder beside this plugin's file that belongs to the environment.
      - The environment is the extra variable env or rollback_env, by any name that rollback_inventory_env lists.
    options:
      plugin:
        description: Always by_env.
        required: true
        choices: [by_env]
"""


class InventoryModule(BaseInventoryPlugin):
    """Reads one of the inventories beside the file that names this plugin."""

    NAME = "by_env"

    def verify_file(self, path: str) -> bool:
        """Whether this is the file that names the plugin."""
        return super().verify_file(path) and Path(path).name == "by_env.yaml"

    def parse(self, inventory, loader, path: str, cache: bool = True) -> None:
        """Fill the inventory; without a known environment it stays empty, and the playbook says what to do."""
        super().parse(inventory, loader, path, cache)
        given = load_extra_vars(loader)
        env = str(given.get("env") or given.get("rollback_env") or "")
        folder = _folder_of(env, Path(path).parent, loader)
        if not folder:
            # Empty, but there: the playbook has the better sentence, and checks of its syntax need no environment.
            inventory.add_group("rollback_control")
            return
        hosts = str(folder / "hosts.ini")
        ini = inventory_loader.get("ini")
        if not ini.verify_file(hosts):
            raise AnsibleParserError(f"{hosts} cannot be read: it has to be the inventory of {env}")
        ini.parse(inventory, loader, hosts, cache)
        files = vars_loader.get("host_group_vars")
        for entity in (*inventory.groups.values(), *inventory.hosts.values()):
            for name, value in files.get_vars(loader, str(folder), [entity]).items():
                entity.set_variable(name, value)


def _folder_of(env: str, inventories: Path, loader) -> Path | None:
    """The folder of an environment, by either of its names."""
    for folder in sorted(file.parent for file in inventories.glob("*/hosts.ini")):
        own = folder / "group_vars" / "all" / "env.yml"
        names = (loader.load_from_file(str(own)) or {}).get("rollback_inventory_env") if own.is_file() else None
        if env and env in (names or [folder.name]):
            return folder
    return None
