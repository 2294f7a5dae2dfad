"""What becomes of a text in the chat page: basic Markdown, and everything else as it was written."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from salon.web.identity.identity import COOKIE
from tests.hostile import Clerk
from tests.server import ServerProcess

REL = 'rel="noopener noreferrer nofollow" target="_blank"'

# What is written, and the page's HTML of it.
SHOWN = [
    ("*a* **b** ~~c~~ `d`", "<p><em>a</em> <strong>b</strong> <del>c</del> <code>d</code></p>"),
    ("one\ntwo", "<p>one<br>two</p>"),
    ("- a\n- b", "<ul><li>a</li><li>b</li></ul>"),
    ("3. a", '<ol start="3"><li>a</li></ol>'),
    ("> said", "<blockquote><p>said</p></blockquote>"),
    (
        "```python\nif a < b:\n  pass\n```",
        '<pre><code class="language-python">if a &lt; b:\n  pass\n</code></pre>',
    ),
    (
        "https://example.org/a?b=1&c=2",
        f'<p><a href="https://example.org/a?b=1&amp;c=2" {REL}>https://example.org/a?b=1&amp;c=2</a></p>',
    ),
    ("[text](https://example.org)", f'<p><a href="https://example.org" {REL}>text</a></p>'),
    ("[x](javascript:alert(1))", "<p><a>x</a></p>"),
    ("[x](/admin)", "<p><a>x</a></p>"),
    ("[x]()", "<p><a>x</a></p>"),
    (
        "![cat](https://example.org/cat.png)",
        f'<p><a href="https://example.org/cat.png" {REL}>cat</a></p>',
    ),
    (
        "a <b>bold</b> <!-- note --> & 1 < 2",
        "<p>a &lt;b&gt;bold&lt;/b&gt; &lt;!-- note --&gt; &amp; 1 &lt; 2</p>",
    ),
    (
        "<div>\n<script>alert(1)</script>\n</div>",
        "<p>&lt;div&gt;<br>&lt;script&gt;alert(1)&lt;/script&gt;<br>&lt;/div&gt;</p>",
    ),
    ("[name]: https://example.org", "<p>[name]: https://example.org</p>"),
    ("#", "<p>#</p>"),
    ("# Title", "<h1>Title</h1>"),
    ("2 * 3 * 4 and snake_case_name", "<p>2 * 3 * 4 and snake_case_name</p>"),
    ("> " * 3000, f"<p>{'&gt; ' * 3000}</p>"),
]


def test_a_text_is_shown_as_markdown_and_no_more(
    server: ServerProcess, open_page: Callable[..., Page]
) -> None:
    nobody = Clerk(server.url, "")
    token = nobody.ask("POST", "/auth/guest", {"name": "Ada"})[1]["token"]
    ada = Clerk(server.url, token)
    room = ada.ask("POST", "/chat/create", {"title": "Markdown"})[1]["conversation_id"]
    for text, _ in SHOWN:
        assert ada.ask("POST", f"/chat/{room}/messages", {"content": text})[0] == 201
    for clerk in (nobody, ada):
        clerk.close()

    page = open_page(server.url, viewport={"width": 1000, "height": 9000})
    page.context.add_cookies([{"name": COOKIE, "value": token, "url": server.url}])
    page.goto(f"/c/{room}")
    prose = page.get_by_role("log").locator(".prose")
    expect(prose).to_have_count(len(SHOWN))
    html: list[str] = prose.evaluate_all("all => all.map((each) => each.innerHTML.trim())")
    plain = [each.replace("\n<", "<").replace(">\n", ">") for each in html]
    for (text, wanted), given in zip(SHOWN, plain, strict=True):
        assert given == wanted.replace("\n<", "<").replace(">\n", ">"), text
