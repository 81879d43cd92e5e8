def read_file(path: str | Path, format: str, options: ImportOptions, on_bad: OnBad) -> Iterator[Conversation]:
    """Yield the conversations of one file, redacted, one at a time.

    Args:
        path: a JSONL, JSON array or YAML file.
        format: a key of ``formats.FORMATS``, or ``"auto"`` to judge each row by its keys.
        options: what holds where rows say nothing.
        on_bad: hears of every line that is left out.

    Raises:
        UsageError: no such format.
        BadFile: the file as a whole cannot be read, or is empty.
    """
    if format != "auto" and format not in FORMATS:
        raise UsageError(f"no format {format!r}", hint=f"one of auto, {', '.join(FORMATS)}")
    path = Path(path)

    def bad(line: int, reason: str) -> None:
        on_bad(BadLine(str(path), line, reason))

    try:
        with path.open("rb") as stream:
            for line, row in _rows(path, format, stream, bad):
                try:
                    name = format if format != "auto" else "chatterbot" if isinstance(row, list) else detect(row)
                    if name != "chatterbot" and not isinstance(row, dict):
                        raise BadRow(f"a row is an object, this is {type(row).__name__}")
                    found = FORMATS[name](row, options)
                except BadRow as error:
                    bad(line, str(error))
                    continue
                yield from found
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror or 'cannot be read'}") from error


def files_of(paths: Iterable[str | Path]) -> list[Path]:
    """Return the files meant by paths: a file is itself, a folder its JSONL, JSON and YAML files at any depth, sorted.

    Raises:
        BadFile: a path does not exist, or a folder holds nothing to read.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if not path.is_dir():
            if not path.exists():
                raise BadFile(f"{path}: no such file or folder")
            found.append(path)
            continue
        inside = sorted(
            Path(folder) / name for folder, _, names in os.walk(path) for name in names if Path(name).suffix in SUFFIXES
        )
        if not inside:
            raise BadFile(f"{path}: holds no file ending in {', '.join(sorted(SUFFIXES))}")
        found += inside
    return found


def import_files(
    paths: Sequence[str | Path], format: str, options: ImportOptions, store: Store, progress: Progress | None = None
) -> ImportSummary:
    """Read files and store their conversations, ``BATCH`` a transaction.

    A file that cannot be read as a whole is reported as its line 0 when there are others, and the others are kept.

    Args:
        paths: files and folders.
        format: as for ``read_file``.
        options: as for ``read_file``.
        store: where they go.
        progress: hears ``("import", files done, files in all, conversations=...)``.

    Returns:
        What was read, stored and left out.

    Raises:
        UsageError: no such format.
        BadFile: a path does not exist, or the only file cannot be read.
    """
    files = files_of(paths)
    bad: list[BadLine] = []
    unlearnable: Counter[str] = Counter()
    config = DataQualityConfig()
    read = new = 0
    batch: list[Conversation] = []

    def flush() -> None:
        nonlocal new
        if batch:
            new += store.conversations.add(batch)
            batch.clear()

    for done, file in enumerate(files):
        try:
            for conversation in read_file(file, format, options, bad.append):
                read += 1
                batch.append(conversation)
                unlearnable.update(
                    reason for row in candidates(conversation) if (reason := reason_to_drop(row, config))
                )
                if len(batch) >= BATCH:
                    flush()
                    if progress:
                        progress("import", done, len(files), conversations=read)
        except BadFile as error:
            if len(files) == 1:
                raise
            bad.append(BadLine(str(file), 0, str(error).removeprefix(f"{file}: ")))
        if progress:
            progress("import", done + 1, len(files), conversations=read)
    flush()
    return ImportSummary(read=read, new=new, known=read - new, bad=tuple(bad), unlearnable=dict(unlearnable))
