"""The interface for clients: routes, the fast lanes for plain requests, schemas, and the reference generated from them."""

from .auth import auth_routes
from .changes import change_routes
from .conversations import chat_routes
from .event_stream import event_stream_routes
from .files import file_routes
from .handshake import socket_routes
from .handshake_lane import FastLane
from .held import APPROVING, DECIDING, approved, denied, held_page, held_routes, held_view
from .held_commands import details_of
from .held_schemas import DenyBody, HeldMessages, HeldQuery, HeldView
from .invites import invite_routes
from .keeping import keeping_routes
from .member_schemas import GivenReason, SanctionBody
from .members import member_routes, sanction_terms
from .messages import event_page, event_query, message_routes
from .people import archive, people_routes
from .people import shown as erasure_fields
from .people_schemas import Erasure
from .personal_events import PersonalFeed, personal_event_routes
from .post_lane import PostLane
from .reference import reference_routes
from .refusal_lane import RefusalLane
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
    Retention,
    Title,
)
from .search import search_routes
from .sign_in import sign_in_routes

__all__ = [
    "APPROVING",
    "DECIDING",
    "ID_LENGTH",
    "PAGE",
    "DenyBody",
    "Erasure",
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
    "PersonalFeed",
    "PostLane",
    "RefusalLane",
    "Retention",
    "SanctionBody",
    "Title",
    "agent_routes",
    "approved",
    "archive",
    "auth_routes",
    "change_routes",
    "chat_routes",
    "denied",
    "details_of",
    "erasure_fields",
    "event_page",
    "event_query",
    "event_stream_routes",
    "file_routes",
    "held_page",
    "held_routes",
    "held_view",
    "invite_routes",
    "keeping_routes",
    "member_routes",
    "message_routes",
    "people_routes",
    "personal_event_routes",
    "reference_routes",
    "report_routes",
    "run_routes",
    "sanction_terms",
    "search_routes",
    "sign_in_routes",
    "socket_routes",
]
