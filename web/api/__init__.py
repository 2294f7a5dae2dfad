"""The interface for clients: routes, the fast lanes for plain requests, schemas, and the reference generated from them."""

from .auth import auth_routes
from .changes import change_routes
from .conversations import chat_routes
from .files import file_routes
from .handshake import socket_routes
from .handshake_lane import FastLane
from .invites import invite_routes
from .member_schemas import GivenReason
from .members import member_routes
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
    "EventPage",
    "EventQuery",
    "FastLane",
    "GivenReason",
    "ListQuery",
    "MemberModel",
    "ParticipantView",
    "PostLane",
    "Title",
    "agent_routes",
    "auth_routes",
    "change_routes",
    "chat_routes",
    "event_page",
    "event_query",
    "file_routes",
    "invite_routes",
    "member_routes",
    "message_routes",
    "reference_routes",
    "report_routes",
    "run_routes",
    "search_routes",
    "sign_in_routes",
    "socket_routes",
]
