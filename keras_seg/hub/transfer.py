"""Pushes runs to the Hub, and pulls them, by huggingface_hub."""

import contextlib
import os
import pathlib
import shutil
import warnings
from collections.abc import Iterator
from collections.abc import Sequence
from fnmatch import fnmatch
from typing import Any

import keras_seg
from keras_seg.hub.contents import finished
from keras_seg.hub.contents import published
from keras_seg.hub.contents import with_paths
from keras_seg.hub.names import parse
from keras_seg.lazy import optional
from keras_seg.runs.files import RunError
from keras_seg.runs.files import RunWarning
from keras_seg.runs.files import new_folder
from keras_seg.runs.folder import RunFolder

__all__ = ["endpoint", "pull", "push"]

# Files of an earlier push that this run may not have, such as `best.keras`.
_OF_RUNS = (
    *("*.keras", "state.npz", "settings.json", "data.json", "log.txt"),
    *("history.csv", "class_history.csv", "curves.png", "confusion.png"),
    *("samples/*", "evaluation*"),
)


def pull(
    name: str,
    to: str | os.PathLike | None = None,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    ignore_patterns: Sequence[str] | str | None = None,
) -> pathlib.Path:
    """Downloads a run from the Hub.

    A file that is in the Hub's cache (`~/.cache/huggingface`, or `HF_HOME`) is
    not downloaded again. Without a network, what was pulled before is taken.

    Args:
        name: str, `"user/name"`, `"user/name@revision"` or
            `"hf://user/name"`.
        to: optional str or path of a new folder to write. Defaults to a
            folder in the Hub's cache, which is not to be written to.
        revision: optional str, a branch, a tag or a commit. Defaults to
            that of `name`, or to the newest.
        token: optional str, of the Hub. Defaults to that of `hf auth login`,
            or of `HF_TOKEN`. False sends none.
        ignore_patterns: optional str or sequence of strs, files to leave out,
            such as `"state.npz"`.

    Returns:
        `pathlib.Path` of the run folder.

    Raises:
        ValueError: If `name` has another form.
        RunError: If it is no run, or `to` is not free, or cannot be written.
        FileNotFoundError: If there is no such repository or revision, or it is
            private.
        PermissionError: If the Hub refuses access.
        ConnectionError: If the Hub cannot be reached, and the run was not
            pulled before.
        ImportError: If huggingface_hub is not installed.

    Example:

    >>> import keras_seg
    >>> keras_seg.hub.pull("horses")
    Traceback (most recent call last):
    ...
    ValueError: A run on the Hub is named user/name, ... Received: horses
    >>> keras_seg.hub.pull("me/horses", to="RUN")  # doctest: +SKIP
    """
    name, named = parse(name)
    revision = revision or named
    if to is not None:
        RunFolder.check_free(to)
    hub = optional("huggingface_hub", "hub", f"hf://{name}")
    ours: dict[str, Any] = {"token": token, "revision": revision, **_library()}
    with _explained(name, revision):
        # Two small files say which commit it is, and whether it is a run.
        first = hub.snapshot_download(
            name, allow_patterns=["classes.csv", "README.md"], **ours
        )
        commit = pathlib.Path(first)
        if not (commit / "classes.csv").is_file():
            raise RunError(
                f"{endpoint()}/{name} is not a run of keras_seg: it has no "
                "classes.csv."
            )
        ours |= {"revision": commit.name, "ignore_patterns": ignore_patterns}
        if to is None:
            return pathlib.Path(hub.snapshot_download(name, **ours))
        with new_folder(to) as hidden:
            hub.snapshot_download(name, local_dir=hidden, **ours)
            shutil.rmtree(hidden / ".cache", ignore_errors=True)
    return pathlib.Path(to)


def push(
    run: RunFolder | str | os.PathLike,
    name: str,
    *,
    private: bool = False,
    revision: str | None = None,
    commit_message: str | None = None,
    token: str | bool | None = None,
    license: str | None = None,
    ignore_patterns: Sequence[str] | str | None = None,
) -> str:
    """Publishes a finished run on the Hub, in one commit.

    The repository is made if it is not there. Files of the run as it was pushed
    before and that it has no more are removed; others stay. See
    `keras_seg.hub.published` for what is published, and under which names.

    Args:
        run: `keras_seg.runs.RunFolder`, or str or path of one.
        name: str, `"user/name"` or `"user/name@revision"`.
        private: bool, whether only its owner sees the repository. Defaults to
            False: everybody does.
        revision: optional str, the branch, which is made if it is not there.
            Defaults to that of `name`, or to `"main"`.
        commit_message: optional str.
        token: optional str, of the Hub, with the right to write. Defaults to
            that of `hf auth login`, or of `HF_TOKEN`.
        license: optional str, an identifier that the Hub knows, such as
            `"apache-2.0"`. Defaults to none, or to that in the header of the
            run's `README.md`.
        ignore_patterns: optional str or sequence of strs, files to leave out,
            such as `"state.npz"`.

    Returns:
        str, the address of the repository.

    Raises:
        RunError: If it is no run folder, or the run is not finished.
        ValueError: If `name` has another form, or the Hub refuses the header of
            `README.md`.
        PermissionError: If you are not logged in, or may not write there; or if
            `private` is asked for and the repository is public already.
        ConnectionError: If the Hub cannot be reached.
        ImportError: If huggingface_hub is not installed.

    Example:

    >>> import keras_seg
    >>> keras_seg.hub.push("RUN", "me/horses")  # doctest: +SKIP
    'https://huggingface.co/me/horses'
    """
    name, named = parse(name)
    revision = revision or named
    run = finished(run)
    place = name if revision is None else f"{name}@{revision}"
    files = published(
        run, place, license=license, ignore_patterns=ignore_patterns
    )
    hub = optional("huggingface_hub", "hub", "`push`")
    for file in with_paths(run, files):
        warnings.warn(
            f"{file} holds paths of this machine, and is published as it is; "
            f'ignore_patterns="{file}" leaves it out.',
            RunWarning,
            stacklevel=2,
        )
    api = hub.HfApi(token=token, **_library())
    with _explained(name, revision, writes=True):
        url = api.create_repo(name, private=private, exist_ok=True)
        if private and not api.model_info(name).private:
            raise PermissionError(
                f"{url} is there already, and public. Fix: make it private in "
                "its settings, or choose another name."
            )
        if revision is not None:
            api.create_branch(name, branch=revision, exist_ok=True)
        old = api.list_repo_files(name, revision=revision)
        api.create_commit(
            name,
            [
                *(
                    hub.CommitOperationDelete(path_in_repo=x)
                    for x in old
                    if x not in files and any(fnmatch(x, y) for y in _OF_RUNS)
                ),
                *(
                    hub.CommitOperationAdd(path_in_repo=x, path_or_fileobj=y)
                    for x, y in files.items()
                ),
            ],
            commit_message=commit_message or f"Push {run.path.name}",
            revision=revision,
        )
    return str(url) if revision is None else f"{url}/tree/{revision}"


def endpoint() -> str:
    """The address of the Hub, or of the one that `HF_ENDPOINT` names."""
    return optional("huggingface_hub.constants", "hub", "The Hub").ENDPOINT


def _library() -> dict[str, str]:
    return {
        "library_name": "keras_seg",
        "library_version": keras_seg.__version__,
    }


@contextlib.contextmanager
def _explained(
    name: str, revision: str | None, writes: bool = False
) -> Iterator[None]:
    """Says in a sentence what the Hub refused, or that it is not there."""
    try:
        yield
    except (RunError, PermissionError):
        raise
    except Exception as error:
        sentence = _sentence(error, name, revision, writes)
        if sentence is None:
            raise
        raise sentence from error


def _sentence(
    error: Exception, name: str, revision: str | None, writes: bool
) -> Exception | None:
    from huggingface_hub import errors

    # What it raises itself says less than what it met first.
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    host = endpoint()
    if type(error) is ValueError:  # The header of README.md.
        return ValueError(" ".join(str(error).split()))
    refused = next(
        (x for x in chain if isinstance(x, errors.HfHubHTTPError)), None
    )
    if isinstance(refused, errors.RevisionNotFoundError):
        return FileNotFoundError(f"{host}/{name} has no revision {revision}.")
    if refused is not None:
        status = refused.response.status_code
        login = "hf auth login, or set HF_TOKEN"
        if status == 403:
            right = "write" if writes else "read"
            return PermissionError(
                f"{host} refuses to {right} {name} (403). Fix: log in with an "
                f"account and a token that may {right} there: {login}."
            )
        is_missing = isinstance(refused, errors.RepositoryNotFoundError)
        if status == 401 and (writes or not is_missing):
            return PermissionError(
                f"{host} knows no user by this token, or none is logged in "
                f"(401). Fix: {login}."
            )
        if status in (401, 404):
            return FileNotFoundError(
                f"{host} has no {name}, or it is private. Fix: correct the "
                f"name, or {login}."
            )
        text = " ".join((refused.server_message or str(refused)).split())
        return OSError(f"{host} refuses {name} ({status}): {text:.200}")
    if any(
        isinstance(
            x, errors.OfflineModeIsEnabled | errors.LocalEntryNotFoundError
        )
        or type(x).__module__.partition(".")[0] in ("httpx", "httpx2")
        for x in chain
    ):
        before = "" if writes else f", and {name} was not pulled before"
        return ConnectionError(
            f"{host} cannot be reached{before}. Fix: connect to the network; "
            "HF_HUB_OFFLINE must not be set."
        )
    return None
