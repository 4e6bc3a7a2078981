"""Golden renderings of chat templates: tests/golden/templates/*.jinja as transformers' jinja2 environment renders
them, into golden.json, and many small templates, one construct each, into snippets.json.

    python tools/golden/templates.py tests/golden/templates        # needs transformers

The .jinja files are written for this test in the manner of the published templates whose names they bear: the same
constructs, other words.
"""
import datetime
import glob
import json
import os
import sys

import jinja2
from transformers.utils import chat_template_utils as utils

NOW = 1732500000  # 2024-11-25, 02:00 UTC


class FixedTime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(NOW, datetime.timezone.utc)


utils.datetime = FixedTime
TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "description": "The weather of a place.\nNow.",
     "parameters": {"type": "object", "properties": {
         "place": {"type": "string", "description": "a town, \"Zürich\" say"},
         "days": {"type": ["integer", "string"]},
         "units": {"type": "array", "items": {"type": "string"}, "description": "<units> & 'more'"}},
         "required": ["place"]}}},
    {"type": "function", "function": {"name": "add", "description": "adds numbers", "parameters": {
        "type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "object"}}, "required": ["a", "b"]},
        "return": {"type": "number"}}}]
CALL = {"role": "assistant", "content": None, "tool_calls": [
    {"id": "abcdef123", "type": "function",
     "function": {"name": "get_weather", "arguments": {"place": "Zürich", "days": 2, "exact": True, "x": 0.5}}}]}
RESULT = {"role": "tool", "tool_call_id": "abcdef123", "name": "get_weather", "content": "{\"temperature\": -3.5}"}
S = {"role": "system", "content": "  Be brief.\nBe kind. "}
U = {"role": "user", "content": " What is 2 + 2?\n\nAnd \"why\"? "}
A = {"role": "assistant", "content": "<think>\nTwo and two.\n</think>\n\nIt is 4. "}
U2 = {"role": "user", "content": "Danke, 谢谢 🙂 <b>&</b>"}
CONVERSATIONS = {
    "one turn": {"messages": [U]},
    "prompt": {"messages": [U], "add_generation_prompt": True},
    "system": {"messages": [S, U], "add_generation_prompt": True},
    "three turns": {"messages": [S, U, A, U2], "add_generation_prompt": True},
    "answered": {"messages": [U, A, U2, A], "add_generation_prompt": False},
    "tools": {"messages": [S, U], "tools": TOOLS, "add_generation_prompt": True},
    "tool turns": {"messages": [U, CALL, RESULT, {"role": "assistant", "content": "It is cold."}, U2], "tools": TOOLS,
                   "add_generation_prompt": True},
    "tool result last": {"messages": [S, U, CALL, RESULT], "tools": TOOLS, "add_generation_prompt": True},
    "parts": {"messages": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": " look "}]}]},
    "no thinking": {"messages": [S, U, A, U2], "add_generation_prompt": True, "enable_thinking": False},
    "wrong order": {"messages": [S, A, U]},
    "documents": {"messages": [U], "documents": [{"title": "t", "text": "one"}, {"title": "u", "text": "two"}],
                  "tools": TOOLS, "controls": {"length": "long"}, "add_generation_prompt": True},
}
V = {"s": "Hello World", "n": 7, "f": 2.5, "l": [3, 1, 2], "d": {"b": 1, "a": 2, "C": 3}, "t": True, "no": None,
     "ws": "  a b \n", "u": "straße Äé 日本", "people": [{"name": "Zoe", "age": 30, "x": {"y": 1}},
     {"name": "adam", "age": 25, "x": {"y": 3}}, {"name": "Bob", "age": 30, "x": {"y": 2}}], "q": "it's \"q\"\n\t\\"}
SNIPPETS = r"""
{{ 1 + 2 * 3 - 4 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ -2 ** 2 }}
{{ 1.0 }} {{ 1e3 }} {{ 1.5e-7 }} {{ 1e16 }} {{ 123456789.125 }} {{ 0.1 + 0.2 }} {{ 1e22 }} {{ 5.0 // 2 }} {{ -5.5 % 2 }}
{{ 1_000 }} {{ 0x1f }} {{ 0b101 }} {{ 0o17 }}
{{ 'a' 'b' "c" }} {{ 'a\nb\t\x41\u00e9\\' }} {{ "it's" }} {{ 'q\'' }} {{ '\q' }}
{{ s ~ 1 ~ none ~ true ~ 2.0 }} {{ 'a' * 3 }} {{ [1] * 2 + [3] }} {{ (1, 2) + (3,) }} {{ 3 * 'x' }}
{{ true and 1 }} {{ 0 or 'x' }} {{ not l }} {{ not '' }} {{ none or [] }} {{ 1 if t else 2 }} {{ 1 if no }} {{ (1 if no) is defined }}
{{ 1 < 2 < 3 }} {{ 1 < 2 > 3 }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }} {{ 1 == 1.0 }} {{ true == 1 }} {{ 'a' == 'a' }} {{ none == false }}
{{ 1 in l }} {{ 9 not in l }} {{ 'ell' in s }} {{ 'b' in d }} {{ not 1 in l }} {{ 'x' in nothing }}
{{ l[0] }} {{ l[-1] }} {{ l[9] }} {{ l[1:] }} {{ l[:-1] }} {{ l[::-1] }} {{ l[::2] }} {{ l[5:] }} {{ l[-2:9] }} {{ l[2:0:-1] }}
{{ s[0] }} {{ s[-1] }} {{ s[2:5] }} {{ s[::-1] }} {{ u[4:6] }} {{ u[-2:] }} {{ u[::3] }} {{ s[:100] }}
{{ d.a }} {{ d['b'] }} {{ d.nope }} {{ d['nope'] is defined }} {{ people.0.name }} {{ people[1]['x'].y }} {{ l.0 }}
{{ {'a': 1, 'b': [1, 'x', none, true, 1.5]} }} {{ [] }} {{ {} }} {{ () }} {{ (1,) }} {{ ('a', "b'c") }} {{ [q] }}
{{ nothing }}|{{ nothing is defined }}|{{ nothing is undefined }}|{{ nothing == nothing }}|{{ nothing | length }}|{{ nothing | list }}
{% for x in nothing %}a{% else %}none{% endfor %}
{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }};{% endfor %}
{% for x in l %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}
{% for x in l %}{{ loop.cycle('odd', 'even') }} {{ loop.changed(x > 1) }} {% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }} {% endfor %}{% for k in d %}{{ k }}{% endfor %}{% for c in 'añb' %}[{{ c }}]{% endfor %}
{% for x in [1, 2, 3, 4, 5] if x is odd %}{{ loop.index }}/{{ loop.length }}:{{ x }} {% endfor %}
{% for x in range(10) %}{% if x == 2 %}{% continue %}{% endif %}{% if x > 4 %}{% break %}{% endif %}{{ x }}{% endfor %}
{% for a, (b, c) in [] %}{% endfor %}done
{% for a in [[1, 2], [3, 4]] %}{% for b in a %}{{ loop.index }}{{ b }} {% endfor %}{{ loop.index }};{% endfor %}
{% set x = 1 %}{% for i in l %}{% set x = x + i %}{{ x }} {% endfor %}{{ x }}
{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set c = 1, 2 %}{{ c }}{% set (d, e) = [3, 4] %}{{ d }}{{ e }}
{% set ns = namespace(a=1, b='x') %}{% for i in l %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}{{ ns.b }}{{ ns.nope }}
{% set x %}a{{ n }}b{% endset %}{{ x | upper }}{% set y | trim | upper %}  hi  {% endset %}[{{ y }}]
{% macro f(a, b=2, c='x') %}<{{ a }}{{ b }}{{ c }}>{% endmacro %}{{ f(1) }}{{ f(1, 3) }}{{ f(1, c=5) }}{{ f() }}{{ f.name }}
{% macro f(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, 3, k=4) }}
{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}
{% set g = 1 %}{% macro f() %}{{ g }}{{ later }}{% endmacro %}{% set later = 2 %}{{ f() }}
{% macro box(t) %}[{{ t }}:{{ caller('x') }}]{% endmacro %}{% call(v) box('T') %}in {{ v }}{% endcall %}
{% filter upper | replace('A', 'b') %}abc {{ n }}{% endfilter %}
{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a }}
{% raw %}{{ no }} {% if %}{% endraw %}|{%- raw -%}  x  {%- endraw -%}  |
a {#- comment -#} b {# another #} c
{% generation %}kept {{ n }}{% endgeneration %}
  {% if true %}  x  {% endif %}  y
	{%+ if true %}a{%+ endif +%}
{%- if true -%}   z   {%- endif -%}   w
{{ ' a ' -}}   b   {{- ' c ' }}
{% if n == 1 %}1{% elif n == 7 %}7{% else %}x{% endif %}{% if false %}{% elif no %}{% else %}e{% endif %}
{{ s | upper }} {{ s | lower }} {{ u | upper }} {{ u | lower }} {{ u | capitalize }} {{ 'hello-world (foo) bar_x' | title }} {{ "it's o'x" | title }}
{{ ws | trim }}| {{ 'xxaxx' | trim('x') }} {{ ws | trim | length }} {{ u | length }} {{ d | length }} {{ l | count }}
{{ l | join }} {{ l | join(', ') }} {{ people | join('-', attribute='name') }} {{ 'abc' | join('.') }} {{ d | join('+') }}
{{ nothing | default('x') }} {{ no | default('x') }} {{ no | default('x', true) }} {{ '' | d('y', boolean=true) }} {{ nothing | default }}|
{{ s | replace('l', 'L') }} {{ s | replace('l', 'L', 1) }} {{ 'aaa' | replace('', '-') }} {{ 5 | replace('5', 'five') }}
{{ l | first }} {{ l | last }} {{ [] | first }} {{ 'abc' | first }} {{ 'abc' | last }} {{ l | list }} {{ 'abc' | list }} {{ d | list }}
{{ l | sort }} {{ l | sort(reverse=true) }} {{ ['b', 'A', 'c'] | sort }} {{ ['b', 'A', 'c'] | sort(case_sensitive=true) }} {{ people | sort(attribute='age') | map(attribute='name') | list }}
{{ people | sort(attribute='age,name') | map(attribute='name') | join(' ') }} {{ people | sort(attribute='x.y', reverse=true) | map(attribute='name') | join(' ') }}
{{ l | map('string') | join }} {{ people | map(attribute='x.y') | list }} {{ people | map(attribute='nope', default='-') | list }} {{ ['a', 'b'] | map('upper') | list }} {{ [' a', 'b '] | map('trim') | map('replace', 'a', 'c') | list }}
{{ people | selectattr('age', 'equalto', 30) | map(attribute='name') | list }} {{ people | rejectattr('age', 'eq', 30) | map(attribute='name') | list }} {{ people | selectattr('nope') | list }} {{ people | selectattr('x.y', '>', 1) | list | length }} {{ people | selectattr('name', 'in', ['Bob']) | list | count }}
{{ [0, 1, none, 'a', ''] | select | list }} {{ l | select('odd') | list }} {{ l | reject('odd') | list }} {{ l | select('greaterthan', 1) | list }} {{ ['a', 1] | select('string') | list }} {{ people | selectattr('nope', 'defined') | list }}
{{ 'yes' if people | selectattr('nope') else 'no' }}{% set g = l | map('string') %}{{ g | join }}{{ g | join }}
{{ d | items | list }} {{ d | dictsort }} {{ d | dictsort(true) }} {{ d | dictsort(false, 'value', true) }} {{ d.keys() | list }} {{ d.values() | list }} {{ d.get('a') }} {{ d.get('z') }} {{ d.get('z', 0) }}
{{ l | reverse | list }} {{ 'abc' | reverse }} {{ ['a', 'A', 'b'] | unique | list }} {{ [1, 1, 2] | unique | list }} {{ people | unique(attribute='age') | map(attribute='name') | list }} {{ ['a', 'A'] | unique(true) | list }}
{{ 3.7 | int }} {{ '12' | int }} {{ '3.9' | int }} {{ 'x' | int }} {{ 'x' | int(5) }} {{ 'ff' | int(base=16) }} {{ none | int }} {{ true | int }} {{ '2.5' | float }} {{ 'x' | float }} {{ 3 | float }} {{ '1e3' | float }}
{{ 42.55 | round }} {{ 42.55 | round(1) }} {{ 42.55 | round(1, 'floor') }} {{ 2.5 | round }} {{ 3.5 | round | int }} {{ -1.5 | abs }} {{ -3 | abs }} {{ 7 | round }} {{ 2.675 | round(2) }} {{ 41.1 | round(0, 'ceil') }}
{{ l | sum }} {{ people | sum(attribute='age') }} {{ [0.5, 1] | sum }} {{ l | min }} {{ l | max }} {{ ['b', 'A'] | min }} {{ people | max(attribute='x.y') }} {{ l | sum(start=10) }}
{{ 'a\nb\n\nc' | indent }}|{{ 'a\nb' | indent(2, true) }}|{{ 'a\n\nb' | indent(2, blank=true) }}|{{ 'a\nb' | indent('>>') }}
{{ [1, 2, 3, 4, 5] | batch(2) | list }} {{ [1, 2, 3] | batch(2, 'x') | list }} {{ people | groupby('age') }}
{{ 'a' | center(5) }}| {{ 'ab' | center(5) }}| {{ 'hello big world' | truncate(9) }} {{ 'hello big world' | truncate(9, true) }} {{ 'hello' | truncate(3) }} {{ 'a b c' | wordcount }}
{{ '<a href="x">&\'' | escape }} {{ '%s is %d and %.2f %%' | format('a', 3, 1.005) }} {{ '%5s|%-5s|%05d|%x' % ('a', 'b', 42, 255) }} {{ '%r' % ['x'] }}
{{ d | tojson }} {{ people | tojson }} {{ q | tojson }} {{ u | tojson }} {{ u | tojson(ensure_ascii=true) }} {{ [none, true, 1.0, 1e30, 'a/b'] | tojson }} {{ '🙂' | tojson(true) }}
{{ people | tojson(indent=2) }} {{ {} | tojson(indent=2) }} {{ [] | tojson(indent=4) }} {{ d | tojson(sort_keys=true) }} {{ d | tojson(separators=(',', ':')) }} {{ [[1], {'a': []}] | tojson(indent=1) }}
{{ n is number }} {{ f is float }} {{ n is integer }} {{ t is integer }} {{ t is boolean }} {{ t is number }} {{ t is true }} {{ t is false }} {{ no is none }} {{ s is string }} {{ d is mapping }} {{ l is sequence }} {{ s is sequence }} {{ l is iterable }} {{ n is iterable }} {{ s is iterable }} {{ d is iterable }}
{{ 3 is odd }} {{ 4 is even }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(2) }} {{ 'a' is eq 'a' }} {{ 1 is lt 2 }} {{ 2 is ge(2) }} {{ 1 is in l }} {{ 'x' is not in ['y'] }} {{ 'abc' is lower }} {{ 'ABC' is upper }} {{ n is sameas n }} {{ n is not none }} {{ s is defined and s is string }} {{ 3 is ne 4 }} {{ range is callable }} {{ 'upper' is filter }} {{ 'odd' is test }}
{{ ws.strip() }}|{{ ws.lstrip() }}|{{ ws.rstrip() }}|{{ 'xyaxy'.strip('xy') }} {{ 'a,b,,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a b c'.split(' ', 1) }} {{ 'a b c'.rsplit(' ', 1) }} {{ 'a b c d'.split(none, 2) }} {{ 'a\nb\r\nc'.splitlines() }} {{ 'a--b'.split('--')[-1] }}
{{ s.startswith('He') }} {{ s.endswith(('x', 'd')) }} {{ s.replace('o', '0', 1) }} {{ s.upper() }} {{ s.lower() }} {{ "they're ok".title() }} {{ 'abc DEF'.capitalize() }} {{ s.find('o') }} {{ s.rfind('o') }} {{ s.find('z') }} {{ s.count('l') }} {{ ', '.join(['a', 'b']) }} {{ 'prefix-x'.removeprefix('prefix-') }} {{ 'x.py'.removesuffix('.py') }}
{{ '{} and {}'.format(1, 'x') }} {{ '{1}{0}{a}{{}}'.format(1, 2, a=3) }} {{ '12'.isdigit() }} {{ 'ab'.isalpha() }} {{ 'a1'.isalnum() }} {{ ' '.isspace() }} {{ 'AB'.isupper() }} {{ 'ab'.islower() }} {{ l.index(2) }} {{ l.count(3) }}
{{ range(3) | list }} {{ range(1, 4) | list }} {{ range(5, 0, -2) | list }} {{ dict(a=1, b=2) }} {{ dict({'x': 1}, y=2) }} {{ dict([('a', 1)]) }} {{ strftime_now('%Y-%m-%d %H:%M') }}
{{ [1, 2, 3,] }} {{ {'a': 1,} }} {{ (1, 2,) }} {{ l | map('int') | sum + 1 }} {{ -l | first if false else 'k' }} {{ 'a' if n > 3 else 'b' if n > 1 else 'c' }} {{ (n > 3) | string }}
{{ dict(*[[('a', 1)]]) }} {{ dict(**{'k': 2}) }} {{ range(*[1, 3]) | list }} {{ l | attr('nope') }}|{{ people | map(attribute='age') | map('string') | join('') | int }}
{{ "a" ~ ("b" if true) ~ ("c" if false) }} {{ [x for x in l] }}
{{ nothing.attr }}
{{ d.nope.deeper }}
{{ 1 / 0 }}
{{ 'a' + 1 }}
{{ none + 'a' }}
{{ [1] < ['a'] }}
{{ raise_exception('it ' ~ n) }}
{{ s | nofilter }}
{{ s is notest }}
{% if true %}
{% unknown %}
{{ 1 +
{{ 'abc }}
{% for x in 5 %}{% endfor %}
{{ l.append(4) }}
{{ d.update({}) }}
{% set d.x = 1 %}
{{ nofunction(1) }}
{% macro f(a) %}{% endmacro %}{{ f(1, 2) }}
{{ d | length(3) }}
{% break %}
{{ {[]: 1} }}
{{ s.nomethod() }}
{{ "%d" % 'x' }}
{% set a, b = [1, 2, 3] %}
{{ range(1000000) | length }}
{{ ns | tojson }}
{{ not_there | tojson }}
{% for x in l %}{{ loop.index }}
""".strip("\n").split("\n")


def render(template, variables):
    try:
        return {"output": utils._compile_jinja_template(template).render(**variables)}
    except Exception as error:  # whatever it is, Tuff must refuse too
        return {"error": str(error)[:200]}


def main():
    folder = sys.argv[1]
    os.environ["TZ"] = "UTC"
    cases = []
    for path in sorted(glob.glob(os.path.join(folder, "*.jinja"))):
        template = open(path, newline="").read()
        for name, variables in CONVERSATIONS.items():
            variables = {"bos_token": "<s>", "eos_token": "</s>", **variables}
            cases.append({"template": os.path.basename(path), "conversation": name, **render(template, variables)})
    with open(os.path.join(folder, "golden.json"), "w") as out:
        json.dump({"now": NOW, "conversations": {k: {"bos_token": "<s>", "eos_token": "</s>", **v}
                                                 for k, v in CONVERSATIONS.items()}, "cases": cases}, out, indent=0)
    snippets = [{"template": t, **render(t, V)} for t in SNIPPETS]
    with open(os.path.join(folder, "snippets.json"), "w") as out:
        json.dump({"now": NOW, "variables": V, "cases": snippets}, out, indent=0)
    print(len(cases), "renderings,", sum("error" in c for c in cases), "refused;", len(snippets), "snippets,",
          sum("error" in c for c in snippets), "refused")
    for c in cases + snippets:
        if "error" in c and c.get("conversation") not in ("wrong order", "parts"):
            print(c.get("conversation", ""), c["template"][:70], "->", c["error"][:90])


if __name__ == "__main__":
    main()
