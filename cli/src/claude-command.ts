/**
 * The command that connects Claude Code to a hub.
 *
 * @param secret a client key, or a shell expression that gives it
 */
export function describeClaudeCommand(mcpUrl: string, secret: string): string {
  return `claude mcp add --transport http sonde ${mcpUrl} --header "Authorization: Bearer ${secret}"`;
}
