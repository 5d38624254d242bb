/* The channel_binding component (D7): what a pair's keys are for. SPDX-License-Identifier: Apache-2.0 */
#ifndef TW_PAIR_BINDING_H
#define TW_PAIR_BINDING_H

#include <treewire/pair.h>

enum { TW_PAIR_GROUP_ID_RANDOM = 16 };

typedef struct tw_channel_binding {
  tw_bytes label;
  tw_bytes parameters;
} tw_channel_binding;

/* A view. TW_ERR_BINDING when it does not parse or is out of bounds. */
TW_MUST_USE tw_err tw_channel_binding_decode(tw_bytes data, tw_channel_binding *out);
TW_MUST_USE tw_err tw_channel_binding_encode(const tw_channel_binding *binding, tw_buf *out);

/*
 * The binding in the extension list of a leaf, whose label has to be `label`. `data`, where not NULL, gets the
 * component's data. TW_ERR_BINDING.
 */
TW_MUST_USE tw_err tw_channel_binding_check(const tw_env *env, tw_bytes extensions, tw_bytes label, tw_bytes *data,
                                            tw_channel_binding *out);

/*
 * What stands in the GroupContext: the responder's ChannelBinding `responder`, and a reference to the KeyPackage that
 * the group was made for. `check` gives that reference as a view, and refuses any other ChannelBinding: TW_ERR_BINDING.
 */
TW_MUST_USE tw_err tw_group_binding_encode(tw_bytes responder, tw_bytes key_package_ref, tw_buf *out);
TW_MUST_USE tw_err tw_group_binding_check(const tw_env *env, tw_bytes extensions, tw_bytes responder,
                                          tw_bytes *key_package_ref);

/* label, then TW_PAIR_GROUP_ID_RANDOM random bytes, appended. */
TW_MUST_USE tw_err tw_channel_binding_group_id(const tw_env *env, tw_bytes label, tw_buf *out);
/* TW_ERR_BINDING unless `group_id` is of that form. */
TW_MUST_USE tw_err tw_channel_binding_check_group_id(tw_bytes group_id, tw_bytes label);

#endif
