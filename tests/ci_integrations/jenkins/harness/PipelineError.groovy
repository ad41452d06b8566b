/** What would not work in Jenkins, or a gap of this harness. It ends the build as a problem, not as a result. */
class PipelineError extends Error {
    PipelineError(String message, Throwable cause = null) { super(message, cause) }
}
