"""Serves NLWeb's own server over a few recipes, in an interpreter that has `nlweb-network`.

`make agents-real` runs it. Its handlers, protocol and HTTP are NLWeb's. What a site has to bring along is here: retrieval, an
object store, scores and a language model. They count and repeat words, so that nothing outside this machine is asked.
It prints the address, and serves until its standard input ends.
"""

import asyncio
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from aiohttp import web  # type: ignore[import-not-found]
from nlweb_core.config import initialize_config  # type: ignore[import-not-found]
from nlweb_core.llm import GenerativeLLMProvider  # type: ignore[import-not-found]
from nlweb_core.retrieved_item import RetrievedItem  # type: ignore[import-not-found]
from nlweb_core.retriever import (  # type: ignore[import-not-found]
    ObjectLookupProvider,
    RetrievalProvider,
)
from nlweb_core.scoring import ScoringContext, ScoringLLMProvider  # type: ignore[import-not-found]
from nlweb_network.server import create_app  # type: ignore[import-not-found]

SITE = "recipes.example"
ASKS = "asks.example"  # a site that wants to know more before it answers
BREAKS = "explode"  # a query with this word makes the retrieval fail
DISHES = {
    "Fish and chips 🍟": "Fried cod with chips and peas",
    "Fish soup": "A soup of cod, leek and potatoes",
    "Apple pie": "A pie of apples with cinnamon",
}


def words(text: str) -> set[str]:
    """The words of a text, without the very short ones."""
    return {word for word in re.findall(r"\w+", text.casefold()) if len(word) > 2}


def url(name: str) -> str:
    """The address of a recipe."""
    return f"https://{SITE}/{'-'.join(re.findall(r'[a-z]+', name.casefold()))}"


class Recipes(RetrievalProvider, ObjectLookupProvider):  # type: ignore[misc]
    """Finds all recipes, and looks one up."""

    def __init__(self, **_: Any) -> None:
        self._recipes = {
            url(name): {
                "@type": "Recipe",
                "name": name,
                "description": description,
                "image": f"{url(name)}.jpg",
                "recipeYield": 2,
            }
            for name, description in DISHES.items()
        }

    async def search(
        self, query: str, site: str, num_results: int = 50, **_: Any
    ) -> list[RetrievedItem]:
        """All recipes: the scores choose."""
        if BREAKS in words(query):
            raise ConnectionError("the index is away")
        return [RetrievedItem(each, {}, SITE) for each in self._recipes][:num_results]

    async def get_by_id(self, object_id: str) -> dict[str, Any] | None:
        """One recipe."""
        return self._recipes.get(object_id)

    async def close(self) -> None:
        """Nothing is open."""


class Overlap(ScoringLLMProvider):  # type: ignore[misc]
    """Scores by common words: each is worth 50, beginning at 20."""

    def __init__(self, **_: Any) -> None:
        pass

    async def score(
        self, questions: list[str], context: ScoringContext, timeout: float = 30.0, **_: Any
    ) -> float:
        """The score."""
        wanted = context.item_description or context.intent or context.required_info or ""
        return float(min(100, 20 + 50 * len(words(context.query) & words(wanted))))

    async def close(self) -> None:
        """Nothing is open."""


class Repeats(GenerativeLLMProvider):  # type: ignore[misc]
    """A language model of three phrases."""

    def __init__(self, **_: Any) -> None:
        pass

    async def get_completion(self, prompt: str, schema: dict[str, Any], **_: Any) -> dict[str, Any]:
        """What the schema wants, made of the prompt."""
        if "decontextualized_query" in schema["properties"]:
            query = re.findall(r"user's query is: (.*)\.", prompt)[0]
            previous = re.findall(r"Previous queries were: (.*)\.", prompt)[0]
            return {
                "requires_decontextualization": True,
                "decontextualized_query": f"{previous} {query}",
            }
        if "summary" in schema["properties"]:
            found = re.findall(r"^\d+\. (.*?):", prompt, re.MULTILINE)
            return {"summary": f"You may like {' or '.join(found)}."}
        return {"question": "Which dish do you mean?"}

    async def close(self) -> None:
        """Nothing is open."""


def provider(kind: type, **more: Any) -> dict[str, Any]:
    """An entry of the configuration."""
    return {"default": {"import_path": "real_nlweb", "class_name": kind.__name__, **more}}


def config() -> dict[str, Any]:
    """The configuration of the server."""
    sites: dict[str, Any] = {
        SITE: {"ask_handler_class": "DefaultAskHandler"},
        ASKS: {
            "ask_handler_class": "DefaultAskHandler",
            "elicitation": {
                "intent_elicitations": [
                    {"intent": {"value": "dish"}, "required_info": {"value": "number_of_guests"}}
                ]
            },
        },
    }
    for site in sites.values():
        site["ask_handler_import_path"] = "nlweb_core.handler"
    static = {
        "import_path": "nlweb_core.site_config.static_site_config",
        "class_name": "StaticSiteConfigLookup",
        "sites": sites,
    }
    model = provider(Repeats)["default"]
    return {
        "retrieval": provider(Recipes),
        "object_storage": provider(Recipes),
        "scoring_model": provider(Overlap),
        "generative_model": {"low": model, "high": model},
        "site_config": {"default": static, "handler": static},
    }


async def serve() -> None:
    """Serve until the standard input ends."""
    runner = web.AppRunner(create_app())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    sys.stdout.write(f"NLWeb at http://{host}:{port}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.yaml"
        file.write_text(json.dumps(config()))  # JSON is YAML
        initialize_config(file)
    asyncio.run(serve())
