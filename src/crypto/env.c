/* Defaults and accessors of the environment. SPDX-License-Identifier: Apache-2.0 */
#include "crypto/crypto.h"
#include "crypto/provider.h"

const tw_limits tw_limits_default = {
    .message_size = 64u << 20, /* the tree of 10,000 members with post-quantum keys is tens of megabytes */
    .tree_leaves = 1u << 20,
    .skipped_generations = 1024,
    .kept_message_keys = 256,
    .proposals = 16384, /* thousands of members are added in one commit */
    .past_epochs = 3,
    .psks = 16,
    .lifetime_max = UINT64_MAX, /* the application's policy knows better */
    .padding_block = 1,
};

const tw_code_points tw_code_points_default = {
    .pq_suites = {0xF101, 0xF102, 0xF103, 0xF104, 0xF105, 0xF106, 0xF107, 0xF108, 0xF109, 0xF10A, 0xF10B},
    .channel_binding_component = 0x8001,
    .welcome_key_packages_component = 0x8002,
    .packet_key_component = 0x8003,
    .mls_handshake_type = 0xF4,
    .tls_using_mls_handshake = 0xFF4D,
};

const tw_limits *tw_env_limits(const tw_env *env) {
  return env != NULL && env->limits != NULL ? env->limits : &tw_limits_default;
}

const tw_code_points *tw_env_code_points(const tw_env *env) {
  return env != NULL && env->code_points != NULL ? env->code_points : &tw_code_points_default;
}

const tw_alloc *tw_env_alloc(const tw_env *env) {
  return env != NULL && env->alloc != NULL ? env->alloc : &tw_alloc_default;
}

const char *tw_env_aes_gcm(const tw_env *env) { return env->provider->aes_gcm; }

tw_err tw_random(const tw_env *env, uint8_t *out, size_t len) {
  if (len == 0) return TW_OK;
  const tw_err err = env->random != NULL ? env->random(env->random_ctx, out, len)
                                         : env->provider->ops->random(env->provider, out, len);
  if (err == TW_OK) return TW_OK;
  tw_wipe(out, len);
  return TW_ERR_RANDOM;
}

void tw_provider_free(tw_provider *provider) {
  if (provider != NULL) provider->ops->free(provider);
}
