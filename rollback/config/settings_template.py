"""A settings file as `init` writes it: what is known, and beside it, commented, what is often needed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

_TEMPLATE = """\
# Settings of rollback. docs/reference.md lists every key; paths are relative to this file.

registry:
  url: {registry}
  # Credentials: Docker's and Podman's own files and helpers are read (`docker login`).
  # ca_bundle: ca.pem              # authorities to trust instead of the system's

# The repositories of `get` without --repo.
repos:
{repos}

# Deployment name: name in tags. These are the defaults.
# environments: {{dev: develop, stage: stage, prod: master}}
# tag_pattern: "{{version}}-{{env}}"

# The time zone in which days are counted.
# timezone: Europe/Berlin

# What runs the services.
target: {target}
targets:
  {target}:
    kind: {target}
{section}
# What the ids of the apps look like, and apps that are not found by themselves.
# app_id: {app_id}
# apps: {{billing: {example}}}

# run: {{timeout_s: 600, on_failure: restore, freeze_s: 14400}}
# slack: {{url_file: slack-webhook}}    # a file with the webhook's address
"""


def render(
    registry: str, repos: Sequence[str], target: str, section: Mapping[str, str], *, app_id: str, example: str
) -> str:
    """The text of a settings file.

    Args:
        registry: its URL.
        repos: the repositories.
        target: the kind of target.
        section: the keys of its section.
        app_id: its default pattern of app ids.
        example: an app's id.
    """
    return _TEMPLATE.format(
        registry=json.dumps(registry),
        repos="\n".join(f"  - {json.dumps(repo)}" for repo in repos),
        target=target,
        section="".join(f"    {key}: {json.dumps(value)}\n" for key, value in section.items()),
        app_id=json.dumps(app_id),
        example=json.dumps(example),
    )
