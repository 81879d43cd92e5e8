"""A template is filled in where that gives what it says itself, and nowhere else."""

import jinja2
import pytest

from loraloop.lm.verbatim import Talk, filled, is_verbatim

CHATML = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<s>system\nBe kind.</s>\n' }}{% endif %}"
    "{{'<s>' + message['role'] + '\n' + message['content'] + '</s>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<s>assistant\n' }}{% endif %}"
)
VERBATIM = (
    CHATML,
    '{%- for message in messages -%}\n  {{- message.role + ": \'" + message.content -}}\n{%- endfor -%}',
    "{% for message in messages %}{% if message['role'] == 'user' %}Q {{ message['content'] }}{% elif loop.last %}last"
    "{% else %}A{% endif %}{% endfor %}",
    "{% for message in messages %}{{ message.content + message.content }}{% endfor %}{% for message in messages %}"
    "{{ bos_token + message.content }}{% endfor %}",
)
OTHER = (
    "{% for message in messages %}{{ message['content'] | trim }}{% endfor %}",
    "{% for message in messages %}{{ message['content'].strip() }}{% endfor %}",
    "{% for message in messages %}{% if message['content'] %}x{{ message['content'] }}{% endif %}{% endfor %}",
    "{% for message in messages %}{% if message == messages[0] %}{{ message['content'] }}{% endif %}{% endfor %}",
    "{% for message in messages %}{{ message }}{% endfor %}",
    "{% set said = messages %}{% for message in messages %}{{ message['content'] }}{% endfor %}",
    "{% filter upper %}{% for message in messages %}{{ message['content'] }}{% endfor %}{% endfilter %}",
    "{% for message in messages %}{{ message['content'][:9] }}{% endfor %}",
    "{% for message in messages %}{{ message['content'] }}{% endfor %}{# \ue000 #}",
    None,
)
TALKS: list[Talk] = [
    [{"role": role, "content": text} for role, text in talk]
    for talk in (
        [("user", " a  "), ("assistant", ""), ("user", "{{ 1 }} {% if x %}")],
        [("user", "'\"\\n\n"), ("assistant", "0"), ("user", "안녕")],
        [("system", "1"), ("user", "<s>\ue0000\ue000")],
        [("user", "2")],
    )
]


@pytest.mark.parametrize("template", VERBATIM)
def test_what_is_filled_in_is_what_the_template_says(template: str) -> None:
    """Whatever was said: blanks, quotes, tags, the very marks; said twice, left out, and in another order."""
    form = jinja2.Environment(trim_blocks=True, lstrip_blocks=True).from_string(template)
    seen: list[Talk] = []

    def render(talks: object) -> list[str]:
        seen.extend(talks := list(talks))  # type: ignore[call-overload]
        return [form.render(messages=talk, add_generation_prompt=True, bos_token="<b>") for talk in talks]

    assert is_verbatim(template)
    found = filled(TALKS, render)
    assert len(seen) == 3
    assert found == render(TALKS)


@pytest.mark.parametrize("template", OTHER)
def test_a_template_that_does_anything_else_is_rendered_row_by_row(template: object) -> None:
    """Filters, variables, slices and questions about what was said: nobody can tell what they give without it."""
    assert not is_verbatim(template)
