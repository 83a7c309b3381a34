//! Removes members from a classic group, as an admin client does (KIP-345, KIP-571). Knows
//! nothing of whether their processes live: one that does joins again.

use kafka_protocol::messages::LeaveGroupRequest;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::protocol::StrBytes;
use model::ids::GroupId;

use crate::connection::Connection;
use crate::error::{ErrorCode, WireError};
use crate::groups::{GroupMember, wire_group};

impl Connection {
    /// Removes members from a classic group; its coordinator must be asked. A member that
    /// has left already counts as removed.
    ///
    /// # Errors
    /// [`WireError`], of which `Refused` when another broker is the coordinator,
    /// or one member cannot be removed.
    pub async fn remove_members(
        &mut self,
        group: &GroupId,
        members: &[GroupMember],
    ) -> Result<(), WireError> {
        // From version 3 on a request may name other members than its sender.
        let version = self.version::<LeaveGroupRequest>(3..=5)?;
        let text = |text: &str| StrBytes::from_string(text.to_owned());
        let leaving = members.iter().map(|member| {
            let identity = MemberIdentity::default();
            match &member.instance_id {
                // A static member is known by its own name only: the id that
                // goes with it changes with every process.
                Some(instance) => identity.with_group_instance_id(Some(text(instance))),
                None => identity.with_member_id(text(&member.member_id)),
            }
        });
        let request = LeaveGroupRequest::default()
            .with_group_id(wire_group(group))
            .with_members(leaving.collect());
        let answer = self.call(&request, version).await?;
        let mut codes = vec![answer.error_code];
        codes.extend(answer.members.iter().map(|member| member.error_code));
        codes.retain(|code| *code != ErrorCode::UNKNOWN_MEMBER_ID.get());
        codes.into_iter().try_for_each(|code| {
            self.check::<LeaveGroupRequest>(format!("group {group}"), code, None)
        })
    }
}
