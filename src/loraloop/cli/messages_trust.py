"""What the command line says of people who teach the bot, and of what they may have planted."""

WORDS: dict[str, tuple[str, str]] = {
    "rule.triggers tried": ("triggers tried", "방아쇠 문구를 시험했는지"),
    "rule.planted triggers": ("planted triggers", "심어 놓은 방아쇠 문구"),
}
"""Key of a message -> English, Korean."""
