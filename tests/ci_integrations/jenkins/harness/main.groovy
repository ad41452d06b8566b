// Reads scenarios from standard input, one JSON object a line, runs the Jenkinsfile once for each, and prints what
// came of it, one JSON object a line.
import groovy.json.JsonOutput
import groovy.json.JsonSlurper

Engine engine = new Engine(new File(getClass().protectionDomain.codeSource.location.toURI()).parentFile)

System.in.eachLine { line ->
    Map scenario = new JsonSlurper().parseText(line)
    Jenkins jenkins = new Jenkins(scenario: scenario, answers: scenario.answers as List, engine: engine)
    String problem = null
    try {
        engine.run(new File(scenario.jenkinsfile), jenkins)
    } catch (Throwable thrown) {
        StringWriter trace = new StringWriter()
        thrown.printStackTrace(new PrintWriter(trace))
        problem = trace.toString()
    }
    println JsonOutput.toJson([
        problem: problem, result: jenkins.result, description: jenkins.description,
        console: jenkins.console.join('\n'), steps: jenkins.steps, questions: jenkins.questions,
        archived: jenkins.archived, order: jenkins.order, unanswered: jenkins.answers.size(),
        restored: engine.restored, restarted: engine.restarted])
    System.out.flush()
}
