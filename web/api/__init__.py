"""The interface for clients: routes, the fast lanes for plain requests, schemas, and the reference generated from them."""

from .auth import auth_routes
from .changes import change_routes
from .conversations import chat_routes
from .files import file_routes
from .handshake import socket_routes
from .handshake_lane import FastLane
from .held import approved, dropped, held_page, held_routes, held_view
from .held_commands import details_of
from .held_schemas import DenyBody, HeldMessages, HeldQuery, HeldView
from .invites import invite_routes
from .keeping import keeping_routes
from .member_schemas import GivenReason, SanctionBody
from .members import member_routes, sanction_terms
from .messages import event_page, event_query, message_routes
from .post_lane import PostLane
from .reference import reference_routes
from .reports import report_routes
from .runs import agent_routes, run_routes
from .schemas import (
    ID_LENGTH,
    PAGE,
    EventPage,
    EventQuery,
    ListQuery,
    MemberModel,
    ParticipantView,
    Title,
)
from .search import search_routes
from .sign_in import sign_in_routes

__all__ = [
    "ID_LENGTH",
    "PAGE",
    "DenyBody",
    "EventPage",
    "EventQuery",
    "FastLane",
    "GivenReason",
    "HeldMessages",
    "HeldQuery",
    "HeldView",
    "ListQuery",
    "MemberModel",
    "ParticipantView",
    "PostLane",
    "SanctionBody",
    "Title",
    "agent_routes",
    "approved",
    "auth_routes",
    "change_routes",
    "chat_routes",
    "details_of",
    "dropped",
    "event_page",
    "event_query",
    "file_routes",
    "held_page",
    "held_routes",
    "held_view",
    "invite_routes",
    "keeping_routes",
    "member_routes",
    "message_routes",
    "reference_routes",
    "report_routes",
    "run_routes",
    "sanction_terms",
    "search_routes",
    "sign_in_routes",
    "socket_routes",
]
